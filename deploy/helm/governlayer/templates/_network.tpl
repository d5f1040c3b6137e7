{{/* Parts of NetworkPolicies. */}}

{{/* Pods of ours that need PostgreSQL and Redis. */}}
{{- define "governlayer.appPods" -}}
matchLabels: {{- include "governlayer.releaseLabels" . | nindent 2 }}
matchExpressions:
  - key: app.kubernetes.io/component
    operator: In
    values: [server, migrate, backup, restore, retention, ledger-verify]
{{- end }}

{{- define "governlayer.dnsEgress" -}}
- to: {{- toYaml .Values.networkPolicy.dnsTo | nindent 4 }}
  ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}

{{/* Ports as peers see them, each once: (dict "hosts" (list "a" "b:5433") "port" 5432). */}}
{{- define "governlayer.ports" -}}
{{- $ports := list }}
{{- $default := .port }}
{{- range .hosts }}
{{- $ports = append $ports (regexFind ":[0-9]+$" . | trimPrefix ":" | default (toString $default)) }}
{{- end }}
{{- range $ports | uniq | sortAlpha }}
- {port: {{ . }}, protocol: TCP}
{{- end }}
{{- end }}

{{/* A rule to hosts outside of the release: (dict "to" PEERS "hosts" LIST "port" 5432). */}}
{{- define "governlayer.egressRule" -}}
- to: {{- toYaml .to | nindent 4 }}
  ports: {{- include "governlayer.ports" . | nindent 4 }}
{{- end }}

{{/* A rule to pods: (dict "labels" YAML "port" 5432). */}}
{{- define "governlayer.egressToPods" -}}
- to:
    - podSelector:
        matchLabels: {{- .labels | nindent 10 }}
  ports:
    - {port: {{ .port }}, protocol: TCP}
{{- end }}

{{- define "governlayer.databaseEgress" -}}
{{- $hosts := concat (include "governlayer.databaseHost" . | splitList ",") (include "governlayer.databaseReadHost" . | splitList "," | compact) }}
{{- if .Values.trial.postgresql.enabled }}
{{- include "governlayer.egressToPods" (dict "labels" (include "governlayer.selector" (dict "root" . "component" "postgresql")) "port" 5432) }}
{{- else if .Values.cnpg.enabled }}
{{- include "governlayer.egressToPods" (dict "labels" (printf "cnpg.io/cluster: %s-db" (include "governlayer.fullname" .)) "port" 5432) }}
{{- else }}
{{- include "governlayer.egressRule" (dict "to" .Values.networkPolicy.databaseTo "hosts" $hosts "port" .Values.database.port) }}
{{- end }}
{{- end }}

{{- define "governlayer.redisEgress" -}}
{{- if .Values.trial.redis.enabled }}
{{- include "governlayer.egressToPods" (dict "labels" (include "governlayer.selector" (dict "root" . "component" "redis")) "port" 6379) }}
{{- else }}
{{- $hosts := ternary (list .Values.redis.host) .Values.redis.nodes (eq .Values.redis.mode "standalone") }}
{{- $master := ternary (list "master") list (eq .Values.redis.mode "sentinel") }}
{{- include "governlayer.egressRule" (dict "to" .Values.networkPolicy.redisTo "hosts" (concat $hosts $master) "port" .Values.redis.port) }}
{{- end }}
{{- end }}

{{- define "governlayer.storageEgress" -}}
{{- if .Values.backup.s3.bucket }}
{{- include "governlayer.egressRule" (dict "to" .Values.networkPolicy.storageTo "hosts" (list (urlParse .Values.backup.s3.endpoint).host) "port" 443) }}
{{- end }}
{{- end }}
