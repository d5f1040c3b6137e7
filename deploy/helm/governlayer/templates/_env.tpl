{{/* The environment of our processes: settings and names of files, never a secret. */}}

{{/* GOVERNLAYER_<NAME>_FILE of a secret; the setting of databaseAppPassword is DATABASE_PASSWORD. */}}
{{- define "governlayer.secretSetting" -}}
{{- $names := dict "databaseAppPassword" "DATABASE_PASSWORD" "storageAccessKey" "S3_ACCESS_KEY" "storageSecretKey" "S3_SECRET_KEY" }}
{{- printf "GOVERNLAYER_%s_FILE" (get $names . | default (. | snakecase | upper)) }}
{{- end }}

{{- define "governlayer.settings" -}}
GOVERNLAYER_DEPLOYMENT: {{ .Values.deployment | quote }}
GOVERNLAYER_KEY_PROVIDER: kubernetes
{{- if include "governlayer.policiesMap" . }}
GOVERNLAYER_POLICIES: /run/governlayer/policies/policies.cedar
{{- end }}
GOVERNLAYER_DATABASE_USER: governlayer_app
GOVERNLAYER_REPLICAS: {{ ternary .Values.autoscaling.maxReplicas (max 1 .Values.replicas) .Values.autoscaling.enabled | quote }}
{{- range include "governlayer.appSecrets" . | fromJsonArray }}
{{ include "governlayer.secretSetting" . }}: /run/governlayer/secrets/{{ . | kebabcase }}
{{- end }}
{{- with .Values.publicUrl }}
GOVERNLAYER_PUBLIC_URL: {{ . | quote }}
{{- end }}
{{ include "governlayer.databaseSettings" . }}
{{ include "governlayer.redisSettings" . }}
{{ include "governlayer.storageSettings" . }}
{{- if .Values.sharedDirectory.enabled }}
GOVERNLAYER_TOMBSTONE_DIR: /var/lib/governlayer/tombstones
GOVERNLAYER_EVIDENCE_DIR: /var/lib/governlayer/evidence
{{- end }}
{{- end }}

{{/* Settings of the server alone. */}}
{{- define "governlayer.serverSettings" -}}
GOVERNLAYER_HOST: {{ .Values.listenAddress | quote }}
GOVERNLAYER_TLS_CERTIFICATE: /run/governlayer/tls/server.crt
GOVERNLAYER_TLS_KEY: /run/governlayer/tls/server.key
GOVERNLAYER_RETENTION_JOB: {{ ternary "off" "on" .Values.retention.cronJob.enabled | quote }}
{{- if .Values.tls.clients.ca.key }}
{{- if or .Values.tls.clients.ca.secret .Values.tls.clients.ca.configMap }}
GOVERNLAYER_TLS_CLIENT_CA: /run/governlayer/clients/ca.crt
GOVERNLAYER_HEALTHCHECK_CERTIFICATE: /run/governlayer/clients/probe.crt
GOVERNLAYER_HEALTHCHECK_KEY: /run/governlayer/clients/probe.key
{{- end }}
{{- end }}
{{- with .Values.trustedProxies }}
GOVERNLAYER_TRUSTED_PROXY: {{ . | join " " | quote }}
{{- end }}
{{- end }}

{{/* Settings of what acts as the owner of the tables and of nothing else. */}}
{{- define "governlayer.migrateSettings" -}}
GOVERNLAYER_DATABASE_USER: {{ .Values.database.ownerUser | quote }}
GOVERNLAYER_DATABASE_PASSWORD_FILE: /run/governlayer/owner/database-owner-password
{{- end }}

{{/* Settings of what needs the owner of the tables beside the runtime role: backups and restores. */}}
{{- define "governlayer.ownerSettings" -}}
GOVERNLAYER_DATABASE_OWNER_USER: {{ .Values.database.ownerUser | quote }}
GOVERNLAYER_DATABASE_OWNER_PASSWORD_FILE: /run/governlayer/owner/database-owner-password
GOVERNLAYER_BACKUP_PASSPHRASE_FILE: /run/governlayer/owner/backup-passphrase
{{- end }}

{{/* A list of variables: (dict "root" $ "more" (list "governlayer.serverSettings")). What `settings` of the values names comes last. */}}
{{- define "governlayer.env" -}}
{{- $root := .root }}
{{- $all := include "governlayer.settings" $root | fromYaml }}
{{- range .more }}{{ $all = merge (include . $root | fromYaml) $all }}{{ end }}
{{- range $name, $value := merge (deepCopy $root.Values.settings) $all }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- with $root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
