{{/* Where backups go. */}}

{{/* A claim that several nodes may write is given to the server too, which copies each erasure to the destination. */}}
{{- define "governlayer.serverWritesBackups" -}}
{{- if and .Values.backup.enabled (or .Values.backup.s3.bucket (eq .Values.backup.claim.accessMode "ReadWriteMany")) }}yes{{ end }}
{{- end }}

{{- define "governlayer.backupTo" -}}
{{- if .Values.backup.s3.bucket }}
{{- printf "s3://%s/%s" .Values.backup.s3.bucket .Values.backup.s3.prefix | trimSuffix "/" }}
{{- else }}/var/lib/governlayer-backups
{{- end }}
{{- end }}

{{- define "governlayer.storageSettings" -}}
{{- if .Values.backup.s3.bucket }}
GOVERNLAYER_S3_ENDPOINT: {{ .Values.backup.s3.endpoint | quote }}
GOVERNLAYER_S3_REGION: {{ .Values.backup.s3.region | quote }}
{{- if or .Values.backup.s3.ca.secret .Values.backup.s3.ca.configMap }}
GOVERNLAYER_S3_CA: /run/governlayer/storage/ca.crt
{{- end }}
{{- end }}
{{- end }}

{{- define "governlayer.backupToSettings" -}}
GOVERNLAYER_BACKUP_TO: {{ include "governlayer.backupTo" . | quote }}
{{- end }}

{{- define "governlayer.backupMounts" -}}
{{- if not .Values.backup.s3.bucket }}
- {name: backups, mountPath: /var/lib/governlayer-backups}
{{- else if or .Values.backup.s3.ca.secret .Values.backup.s3.ca.configMap }}
- {name: storage-ca, mountPath: /run/governlayer/storage, readOnly: true}
{{- end }}
{{- end }}

{{- define "governlayer.backupVolumes" -}}
{{- if not .Values.backup.s3.bucket }}
- name: backups
  persistentVolumeClaim:
    claimName: {{ .Values.backup.claim.existingClaim | default (printf "%s-backups" (include "governlayer.fullname" .)) }}
{{- else if or .Values.backup.s3.ca.secret .Values.backup.s3.ca.configMap }}
- name: storage-ca
  projected:
    defaultMode: 0440
    sources: {{- include "governlayer.fileSource" (dict "from" .Values.backup.s3.ca "path" "ca.crt") | nindent 6 }}
{{- end }}
{{- end }}
