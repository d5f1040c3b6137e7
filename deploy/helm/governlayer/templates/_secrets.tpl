{{/* Which Secret holds what, and the volumes made from them. */}}

{{/* The name of the Secret that holds one secret: (dict "root" $ "name" "pepper"). */}}
{{- define "governlayer.secretName" -}}
{{- $one := index .root.Values.secrets .name }}
{{- $cnpg := and .root.Values.cnpg.enabled (has .name (list "databaseAppPassword" "databaseOwnerPassword")) }}
{{- $made := printf "%s-%s" (include "governlayer.fullname" .root) (ternary (.name | kebabcase) "secrets" $cnpg) }}
{{- if $cnpg }}
{{- $one.existingSecret | default $made }}
{{- else }}
{{- $one.existingSecret | default .root.Values.secrets.existingSecret | default $made }}
{{- end }}
{{- end }}

{{/* The key in it. CloudNativePG reads `password`. */}}
{{- define "governlayer.secretKey" -}}
{{- $cnpg := and .root.Values.cnpg.enabled (has .name (list "databaseAppPassword" "databaseOwnerPassword")) }}
{{- ternary "password" (index .root.Values.secrets .name).key $cnpg }}
{{- end }}

{{/* Sources of a projected volume: (dict "root" $ "names" (list "pepper")). The file of jwtSecret is jwt-secret. */}}
{{- define "governlayer.secretSources" -}}
{{- $root := .root }}
{{- range .names }}
{{- $one := dict "root" $root "name" . }}
- secret:
    name: {{ include "governlayer.secretName" $one }}
    items: [{key: {{ include "governlayer.secretKey" $one | quote }}, path: {{ . | kebabcase }}}]
    {{- if eq . "keyEncryptionKeyNext" }}
    optional: true
    {{- end }}
{{- end }}
{{- end }}

{{/* Names of the secrets that every process of ours reads, as a JSON list. */}}
{{- define "governlayer.appSecrets" -}}
{{- $names := list "keyEncryptionKey" "keyEncryptionKeyNext" "pepper" "jwtSecret" "databaseAppPassword" "redisPassword" "metricsToken" }}
{{- range $name := list "jwtSecretPrevious" "redisSentinelPassword" "smtpPassword" "storageAccessKey" "storageSecretKey" }}
{{- if (index $.Values.secrets $name).existingSecret }}{{ $names = append $names $name }}{{ end }}
{{- end }}
{{- $names | toJson }}
{{- end }}

{{/* Secrets that the chart makes where nobody gives them, as a JSON object of name and kind. */}}
{{- define "governlayer.madeSecrets" -}}
{{- $kinds := dict "keyEncryptionKey" "key" "pepper" "key" "jwtSecret" "long-key" "metricsToken" "password" "redisPassword" "password" "databaseAppPassword" "password" "databaseOwnerPassword" "password" "databaseSuperuserPassword" "password" "backupPassphrase" "password" }}
{{- if .Values.cnpg.enabled }}{{ $kinds = omit $kinds "databaseAppPassword" "databaseOwnerPassword" }}{{ end }}
{{- range $name, $kind := $kinds }}
{{- if (index $.Values.secrets $name).existingSecret }}{{ $kinds = omit $kinds $name }}{{ end }}
{{- end }}
{{- $kinds | toJson }}
{{- end }}

{{- define "governlayer.newSecret" -}}
{{- if eq . "key" }}{{ randBytes 32 }}{{ else if eq . "long-key" }}{{ randBytes 64 }}{{ else }}{{ randAlphaNum 43 }}{{ end }}
{{- end }}

{{/*
A value of a Secret that is kept for good, in base64: what is there, or made at the first installation only.
(dict "root" $ "secret" NAME "key" KEY "kind" "password")
*/}}
{{- define "governlayer.keptValue" -}}
{{- $old := lookup "v1" "Secret" .root.Release.Namespace .secret | default dict }}
{{- $data := get $old "data" | default dict }}
{{- if hasKey $data .key }}
{{- get $data .key }}
{{- else if $old }}
{{- fail (printf "the Secret %s in namespace %s has no key %s. It is not made anew, because what the old one protects would be lost: put it back from your copy" .secret .root.Release.Namespace .key) }}
{{- else if .root.Release.IsUpgrade }}
{{- fail (printf "the Secret %s in namespace %s is missing (or this is a dry run on the client, which cannot see it). It is not made anew, because what the old one protects would be lost: put it back from your copy" .secret .root.Release.Namespace) }}
{{- else }}
{{- include "governlayer.newSecret" .kind | b64enc }}
{{- end }}
{{- end }}
