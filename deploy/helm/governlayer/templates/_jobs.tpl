{{/* Work beside the server: CronJobs and Jobs that run our image once. */}}

{{/* (dict "root" $ "schedule" "17 1 * * *") */}}
{{- define "governlayer.cronJob" -}}
schedule: {{ .schedule | quote }}
timeZone: Etc/UTC
concurrencyPolicy: Forbid
startingDeadlineSeconds: 3600
successfulJobsHistoryLimit: 1
failedJobsHistoryLimit: 3
suspend: {{ .root.Values.restore.enabled }}
{{- end }}

{{/* The head of a pod's template, up to its containers: (dict "root" $ "component" "backup"). */}}
{{- define "governlayer.jobTemplate" -}}
metadata:
  {{- include "governlayer.podMetadata" . | nindent 2 }}
spec:
  {{- include "governlayer.appPod" .root | nindent 2 }}
  serviceAccountName: {{ include "governlayer.fullname" .root }}
  restartPolicy: Never
{{- end }}

{{/* The spec of a Job whose one container runs `governlayer` as the runtime role: (… "args" (list "serve") "resources" MAP). */}}
{{- define "governlayer.plainJob" -}}
backoffLimit: 2
template:
  {{- include "governlayer.jobTemplate" . | nindent 2 }}
    containers:
      - name: {{ .component }}
        {{- include "governlayer.appContainer" .root | nindent 8 }}
        args: {{- toYaml .args | nindent 10 }}
        env: {{- include "governlayer.env" (dict "root" .root "more" list) | nindent 10 }}
        resources: {{- toYaml .resources | nindent 10 }}
        volumeMounts: {{- include "governlayer.appMounts" .root | nindent 10 }}
    volumes: {{- include "governlayer.appVolumes" .root | nindent 6 }}
{{- end }}

{{/* A container that reads or writes backups: (dict "root" $ "args" (list "backup")). */}}
{{- define "governlayer.backupContainer" -}}
{{ include "governlayer.appContainer" .root }}
args: {{- toYaml .args | nindent 2 }}
env: {{- include "governlayer.env" (dict "root" .root "more" (list "governlayer.ownerSettings" "governlayer.backupToSettings")) | nindent 2 }}
resources: {{- toYaml .root.Values.backup.resources | nindent 2 }}
volumeMounts:
  {{- include "governlayer.appMounts" .root | nindent 2 }}
  - {name: owner-secrets, mountPath: /run/governlayer/owner, readOnly: true}
  {{- include "governlayer.backupMounts" .root | nindent 2 }}
{{- end }}

{{- define "governlayer.backupJobVolumes" -}}
{{ include "governlayer.appVolumes" . }}
{{ include "governlayer.ownerVolume" (dict "root" . "names" (list "databaseOwnerPassword" "backupPassphrase")) }}
{{- include "governlayer.backupVolumes" . }}
{{- end }}
