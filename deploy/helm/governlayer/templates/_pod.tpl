{{/* What all pods share: who they run as, where they run, what they may write to. */}}

{{/* (dict "root" $ "user" 10001). OpenShift gives users and groups itself. */}}
{{- define "governlayer.podSecurity" -}}
runAsNonRoot: true
{{- if not .root.Values.openshift }}
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "governlayer.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "governlayer.scheduling" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The head of the spec of a pod that runs our own image. */}}
{{- define "governlayer.appPod" -}}
{{ include "governlayer.scheduling" . }}
securityContext: {{- include "governlayer.podSecurity" (dict "root" . "user" 10001) | nindent 2 }}
{{- end }}

{{/* The head of a container that runs our own image. */}}
{{- define "governlayer.appContainer" -}}
image: {{ include "governlayer.appImage" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- include "governlayer.containerSecurity" . | nindent 2 }}
{{- end }}

{{- define "governlayer.appMounts" -}}
- {name: secrets, mountPath: /run/governlayer/secrets, readOnly: true}
{{- if include "governlayer.policiesMap" . }}
- {name: policies, mountPath: /run/governlayer/policies, readOnly: true}
{{- end }}
- {name: database-tls, mountPath: /run/governlayer/database, readOnly: true}
- {name: redis-tls, mountPath: /run/governlayer/redis, readOnly: true}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /var/lib/governlayer}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "governlayer.secretsVolume" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources: {{- include "governlayer.secretSources" (dict "root" . "names" (include "governlayer.appSecrets" . | fromJsonArray)) | nindent 6 }}
{{- end }}

{{- define "governlayer.databaseTlsVolume" -}}
- name: database-tls
  projected:
    defaultMode: 0440
    sources: {{- include "governlayer.databaseTlsSources" . | nindent 6 }}
{{- end }}

{{- define "governlayer.tmpVolume" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- end }}

{{- define "governlayer.appVolumes" -}}
{{ include "governlayer.secretsVolume" . }}
{{ include "governlayer.databaseTlsVolume" . }}
- name: redis-tls
  projected:
    defaultMode: 0440
    sources: {{- include "governlayer.redisTlsSources" . | nindent 6 }}
{{- with include "governlayer.policiesMap" . }}
- name: policies
  configMap:
    name: {{ . }}
    items: [{key: {{ $.Values.policies.key | quote }}, path: policies.cedar}]
{{- end }}
{{ include "governlayer.tmpVolume" . }}
{{ include "governlayer.dataVolume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What an erasure must not lose is shared by all replicas; without that the directory is empty at each start. */}}
{{- define "governlayer.dataVolume" -}}
- name: data
  {{- if .Values.sharedDirectory.enabled }}
  persistentVolumeClaim:
    claimName: {{ .Values.sharedDirectory.existingClaim | default (printf "%s-shared" (include "governlayer.fullname" .)) }}
  {{- else }}
  emptyDir: {sizeLimit: 64Mi}
  {{- end }}
{{- end }}

{{/* (dict "root" $ "names" (list "databaseOwnerPassword")): only containers that act as the owner mount it. */}}
{{- define "governlayer.ownerVolume" -}}
- name: owner-secrets
  projected:
    defaultMode: 0440
    sources: {{- include "governlayer.secretSources" . | nindent 6 }}
{{- end }}

{{/* The ConfigMap with the policies; none: the image brings those that GovernLayer starts with. */}}
{{- define "governlayer.policiesMap" -}}
{{- if .Values.policies.text }}{{ include "governlayer.fullname" . }}-policies
{{- else }}{{ .Values.policies.existingConfigMap }}
{{- end }}
{{- end }}

{{- define "governlayer.policiesChecksum" -}}
{{- with .Values.policies.text }}checksum/policies: {{ . | sha256sum }}{{ end }}
{{- end }}
