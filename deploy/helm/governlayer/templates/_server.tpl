{{/* Parts of the server's pod. */}}

{{- define "governlayer.demandsClientCertificates" -}}
{{- if or .Values.tls.clients.ca.secret .Values.tls.clients.ca.configMap }}yes{{ end }}
{{- end }}

{{/* (dict "root" $ "path" "/livez" "numbers" .Values.probes.liveness). The kubelet has no client certificate to show. */}}
{{- define "governlayer.probe" -}}
{{- if include "governlayer.demandsClientCertificates" .root }}
exec:
  command: [governlayer, healthcheck{{ if eq .path "/livez" }}, --live{{ else }}, --exclude, redis{{ end }}]
{{- else }}
httpGet: {path: {{ .path | quote }}, port: https, scheme: HTTPS}
{{- end }}
{{ toYaml .numbers }}
{{- end }}

{{- define "governlayer.serverMounts" -}}
{{ include "governlayer.appMounts" . }}
- {name: tls, mountPath: /run/governlayer/tls, readOnly: true}
{{- if include "governlayer.demandsClientCertificates" . }}
- {name: clients, mountPath: /run/governlayer/clients, readOnly: true}
{{- end }}
{{- if include "governlayer.serverWritesBackups" . }}
{{- include "governlayer.backupMounts" . }}
{{- end }}
{{- end }}

{{- define "governlayer.tlsVolume" -}}
- name: tls
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "governlayer.serverTlsSecret" . }}
          items: [{key: tls.crt, path: server.crt}, {key: tls.key, path: server.key}]
{{- end }}

{{- define "governlayer.serverVolumes" -}}
{{ include "governlayer.appVolumes" . }}
{{ include "governlayer.tlsVolume" . }}
{{- if eq .Values.migrations.mode "init" }}
{{ include "governlayer.ownerVolume" (dict "root" . "names" (list "databaseOwnerPassword")) }}
{{- end }}
{{- if include "governlayer.demandsClientCertificates" . }}
- name: clients
  projected:
    defaultMode: 0440
    sources:
      {{- include "governlayer.fileSource" (dict "from" .Values.tls.clients.ca "path" "ca.crt") | nindent 6 }}
      - secret:
          name: {{ .Values.tls.clients.probeSecret }}
          items: [{key: tls.crt, path: probe.crt}, {key: tls.key, path: probe.key}]
{{- end }}
{{- if include "governlayer.serverWritesBackups" . }}
{{- include "governlayer.backupVolumes" . }}
{{- end }}
{{- end }}

{{- define "governlayer.serverEnv" -}}
{{- $more := list "governlayer.serverSettings" }}
{{- if include "governlayer.serverWritesBackups" . }}{{ $more = append $more "governlayer.backupToSettings" }}{{ end }}
{{- include "governlayer.env" (dict "root" . "more" $more) }}
{{- end }}

{{/* Replicas spread over zones, then over nodes, as far as there are any. */}}
{{- define "governlayer.spread" -}}
{{- $selector := include "governlayer.selector" (dict "root" . "component" "server") }}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- $selector | nindent 6 }}
{{- end }}
{{- end }}
