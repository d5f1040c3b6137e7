{{/* Where PostgreSQL and Redis are, and how they prove who they are. */}}

{{- define "governlayer.databaseHost" -}}
{{- $name := include "governlayer.fullname" . }}
{{- if .Values.trial.postgresql.enabled }}{{ $name }}-postgresql
{{- else if .Values.cnpg.enabled }}{{ $name }}-db-rw
{{- else }}{{ kindIs "slice" .Values.database.host | ternary (.Values.database.host | join ",") .Values.database.host }}
{{- end }}
{{- end }}

{{- define "governlayer.databaseReadHost" -}}
{{- if .Values.cnpg.enabled }}{{ include "governlayer.fullname" . }}-db-ro
{{- else }}{{ kindIs "slice" .Values.database.readHost | ternary (.Values.database.readHost | join ",") .Values.database.readHost }}
{{- end }}
{{- end }}

{{/* A file from a Secret or a ConfigMap: (dict "from" .Values.database.ca "path" "ca.crt"). Nothing where neither is named. */}}
{{- define "governlayer.fileSource" -}}
{{- if .from.secret }}
- secret: {name: {{ .from.secret }}, items: [{key: {{ .from.key | quote }}, path: {{ .path }}}]}
{{- else if .from.configMap }}
- configMap: {name: {{ .from.configMap }}, items: [{key: {{ .from.key | quote }}, path: {{ .path }}}]}
{{- end }}
{{- end }}

{{- define "governlayer.databaseCa" -}}
{{- $name := include "governlayer.fullname" . }}
{{- if .Values.trial.postgresql.enabled }}
{{- dict "secret" (include "governlayer.trialTlsSecret" (dict "root" . "trial" "postgresql")) "key" "ca.crt" | toJson }}
{{- else if .Values.cnpg.enabled }}
{{- dict "secret" (printf "%s-db-ca" $name) "key" "ca.crt" | toJson }}
{{- else }}
{{- .Values.database.ca | toJson }}
{{- end }}
{{- end }}

{{- define "governlayer.databaseTlsSources" -}}
{{- $ca := include "governlayer.fileSource" (dict "from" (include "governlayer.databaseCa" . | fromJson) "path" "ca.crt") }}
{{- $client := .Values.database.clientCertificate.existingSecret }}
{{- if not (or $ca $client) }}[]{{ end }}
{{- $ca }}
{{- with $client }}
- secret: {name: {{ . }}, items: [{key: tls.crt, path: client.crt}, {key: tls.key, path: client.key}]}
{{- end }}
{{- end }}

{{- define "governlayer.redisCa" -}}
{{- if .Values.trial.redis.enabled }}
{{- dict "secret" (include "governlayer.trialTlsSecret" (dict "root" . "trial" "redis")) "key" "ca.crt" | toJson }}
{{- else }}
{{- .Values.redis.ca | toJson }}
{{- end }}
{{- end }}

{{- define "governlayer.redisTlsSources" -}}
{{- include "governlayer.fileSource" (dict "from" (include "governlayer.redisCa" . | fromJson) "path" "ca.crt") | default "[]" }}
{{- end }}

{{- define "governlayer.databaseSettings" -}}
GOVERNLAYER_DATABASE_HOST: {{ include "governlayer.databaseHost" . | quote }}
GOVERNLAYER_DATABASE_PORT: {{ .Values.database.port | quote }}
GOVERNLAYER_DATABASE_NAME: {{ .Values.database.name | quote }}
GOVERNLAYER_DATABASE_TLS: {{ .Values.database.sslmode | quote }}
{{- with include "governlayer.databaseReadHost" . }}
GOVERNLAYER_DATABASE_READ_HOST: {{ . | quote }}
{{- end }}
{{- $ca := include "governlayer.databaseCa" . | fromJson }}
{{- if or (get $ca "secret") (get $ca "configMap") }}
GOVERNLAYER_DATABASE_CA: /run/governlayer/database/ca.crt
{{- end }}
{{- if .Values.database.clientCertificate.existingSecret }}
GOVERNLAYER_DATABASE_CERTIFICATE: /run/governlayer/database/client.crt
GOVERNLAYER_DATABASE_KEY: /run/governlayer/database/client.key
{{- end }}
{{- end }}

{{- define "governlayer.redisSettings" -}}
{{- if .Values.trial.redis.enabled }}
GOVERNLAYER_REDIS_HOST: {{ include "governlayer.fullname" . }}-redis
GOVERNLAYER_REDIS_PORT: "6379"
GOVERNLAYER_REDIS_USER: governlayer
{{- else if eq .Values.redis.mode "sentinel" }}
GOVERNLAYER_REDIS_SENTINELS: {{ .Values.redis.nodes | join "," | quote }}
GOVERNLAYER_REDIS_MASTER: {{ .Values.redis.master | quote }}
{{- else if eq .Values.redis.mode "cluster" }}
GOVERNLAYER_REDIS_CLUSTER: {{ .Values.redis.nodes | join "," | quote }}
{{- else }}
GOVERNLAYER_REDIS_HOST: {{ .Values.redis.host | quote }}
GOVERNLAYER_REDIS_PORT: {{ .Values.redis.port | quote }}
{{- end }}
{{- if not .Values.trial.redis.enabled }}
{{- with .Values.redis.user }}
GOVERNLAYER_REDIS_USER: {{ . | quote }}
{{- end }}
{{- end }}
{{- with .Values.redis.sentinelUser }}
GOVERNLAYER_REDIS_SENTINEL_USER: {{ . | quote }}
{{- end }}
{{- $ca := include "governlayer.redisCa" . | fromJson }}
{{- if or (get $ca "secret") (get $ca "configMap") }}
GOVERNLAYER_REDIS_CA: /run/governlayer/redis/ca.crt
{{- end }}
{{- end }}

{{/* What keeps values of rows out of PostgreSQL's log, as a JSON object: errors go to the client. */}}
{{- define "governlayer.quietLog" -}}
{{- dict "log_min_error_statement" "panic" "log_error_verbosity" "terse" "log_statement" "none" "log_min_duration_statement" "-1" "log_parameter_max_length" "0" "log_parameter_max_length_on_error" "0" | toJson }}
{{- end }}
