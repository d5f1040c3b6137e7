{{/* What PostgreSQL and Redis of a trial share. Both images run as user 999. */}}

{{/* (dict "root" $ "trial" "postgresql") */}}
{{- define "governlayer.trialPod" -}}
{{ include "governlayer.scheduling" .root }}
serviceAccountName: {{ include "governlayer.fullname" .root }}
securityContext: {{- include "governlayer.podSecurity" (dict "root" .root "user" 999) | nindent 2 }}
{{- end }}

{{- define "governlayer.trialContainer" -}}
{{- $image := (index .root.Values.trial .trial).image }}
image: {{ include "governlayer.image" (dict "root" .root "image" $image) }}
imagePullPolicy: {{ $image.pullPolicy }}
securityContext: {{- include "governlayer.containerSecurity" . | nindent 2 }}
resources: {{- toYaml (index .root.Values.trial .trial).resources | nindent 2 }}
{{- end }}

{{- define "governlayer.trialTlsVolume" -}}
- name: tls
  secret:
    secretName: {{ include "governlayer.trialTlsSecret" . }}
    defaultMode: 0440
{{- end }}

{{/* Its pod is exchanged when its files of configuration or a generated certificate are others: (… "file" PATH). */}}
{{- define "governlayer.trialChecksum" -}}
checksum/configuration: {{ .root.Files.Glob .files | toJson | sha256sum }}
{{- $names := get (include "governlayer.certificates" .root | fromJson) .trial }}
{{- if and $names (eq .root.Values.tls.mode "generate") }}
checksum/certificate: {{ include "governlayer.madeFor" (dict "root" .root "names" $names) | quote }}
{{- end }}
{{- end }}
