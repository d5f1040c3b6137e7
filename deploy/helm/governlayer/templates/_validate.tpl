{{/* What a JSON schema cannot say. Each rule fails with one plain sentence; nothing is installed then. */}}

{{- define "governlayer.validate" -}}
{{- include "governlayer.validateDatabases" . }}
{{- include "governlayer.validateSecrets" . }}
{{- include "governlayer.validateTls" . }}
{{- include "governlayer.validateNetwork" . }}
{{- include "governlayer.validateRest" . }}
{{- end }}

{{- define "governlayer.validateDatabases" -}}
{{- $chosen := list }}
{{- if .Values.trial.postgresql.enabled }}{{ $chosen = append $chosen "trial.postgresql.enabled" }}{{ end }}
{{- if .Values.cnpg.enabled }}{{ $chosen = append $chosen "cnpg.enabled" }}{{ end }}
{{- if .Values.database.host }}{{ $chosen = append $chosen "database.host" }}{{ end }}
{{- if ne (len $chosen) 1 }}
{{- fail (printf "choose one PostgreSQL: trial.postgresql.enabled, cnpg.enabled or database.host; now: %s" ($chosen | join ", " | default "none")) }}
{{- end }}
{{- $given := or .Values.redis.host .Values.redis.nodes }}
{{- if and .Values.trial.redis.enabled $given }}
{{- fail "redis.host and redis.nodes are for your own Redis: set trial.redis.enabled to false, or leave them empty" }}
{{- end }}
{{- if and (not .Values.trial.redis.enabled) (not $given) }}
{{- fail "choose one Redis: trial.redis.enabled, redis.host (standalone) or redis.nodes (sentinel, cluster)" }}
{{- end }}
{{- end }}

{{/* Names of the secrets that these values need, as a JSON list. */}}
{{- define "governlayer.neededSecrets" -}}
{{- $names := include "governlayer.appSecrets" . | fromJsonArray }}
{{- $names = without $names "keyEncryptionKeyNext" }}
{{- $names = append $names "databaseOwnerPassword" }}
{{- if .Values.trial.postgresql.enabled }}{{ $names = append $names "databaseSuperuserPassword" }}{{ end }}
{{- if or .Values.backup.enabled .Values.restore.enabled }}{{ $names = append $names "backupPassphrase" }}{{ end }}
{{- $names | toJson }}
{{- end }}

{{- define "governlayer.validateSecrets" -}}
{{- $secrets := .Values.secrets }}
{{- range $name := include "governlayer.neededSecrets" . | fromJsonArray }}
{{- $given := or (index $secrets $name).existingSecret $secrets.existingSecret }}
{{- $foreign := and (hasPrefix "database" $name) $.Values.database.host }}
{{- $foreign = or $foreign (and (hasPrefix "redis" $name) (not $.Values.trial.redis.enabled)) }}
{{- if and $foreign (not $given) }}
{{- fail (printf "secrets.%s.existingSecret: the password of your own server cannot be made here: name the Secret that holds it" $name) }}
{{- end }}
{{- if not (or $given $secrets.create) }}
{{- fail (printf "secrets.%s.existingSecret: name the Secret that holds it, there or in secrets.existingSecret; secrets.create is false" $name) }}
{{- end }}
{{- if and $.Values.cnpg.enabled (hasPrefix "database" $name) (not $secrets.create) (not (index $secrets $name).existingSecret) }}
{{- fail (printf "secrets.%s.existingSecret: CloudNativePG needs a Secret of its own for it, of type kubernetes.io/basic-auth" $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "governlayer.validateTls" -}}
{{- range $part := list "postgresql" "redis" }}
{{- if and (eq $.Values.tls.mode "existing") (index $.Values.trial $part).enabled (not (index $.Values.trial $part).tlsSecret) }}
{{- fail (printf "trial.%s.tlsSecret: tls.mode is existing, so name the Secret with its certificate" $part) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "governlayer.validateNetwork" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.tlsSecret) (not .Values.ingress.passthrough) }}
{{- fail "ingress.tlsSecret: name the Secret with the certificate for the hosts, or set ingress.passthrough: without TLS, keys would cross the network in the clear" }}
{{- end }}
{{- range .Values.gateway.parentRefs }}
{{- if not .sectionName }}
{{- fail "gateway.parentRefs: each needs a sectionName, that of an HTTPS or TLS listener: without it the route is attached to listeners without TLS too" }}
{{- end }}
{{- end }}
{{- $policy := .Values.networkPolicy }}
{{- if $policy.enabled }}
{{- if and .Values.database.host (not $policy.databaseTo) }}
{{- fail "networkPolicy.databaseTo: say where your PostgreSQL is (NetworkPolicyPeers): all that is not named is refused" }}
{{- end }}
{{- if and (not .Values.trial.redis.enabled) (not $policy.redisTo) }}
{{- fail "networkPolicy.redisTo: say where your Redis is (NetworkPolicyPeers): all that is not named is refused" }}
{{- end }}
{{- if and .Values.backup.s3.bucket (not $policy.storageTo) }}
{{- fail "networkPolicy.storageTo: say where the storage for backups is (NetworkPolicyPeers): all that is not named is refused" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "governlayer.validateRest" -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}
{{- fail "autoscaling.minReplicas is greater than autoscaling.maxReplicas" }}
{{- end }}
{{- if and .Values.backup.s3.bucket (not (and .Values.secrets.storageAccessKey.existingSecret .Values.secrets.storageSecretKey.existingSecret)) }}
{{- fail "backup.s3.bucket needs secrets.storageAccessKey.existingSecret and secrets.storageSecretKey.existingSecret" }}
{{- end }}
{{- $claim := .Values.backup.claim }}
{{- if and .Values.backup.enabled (not .Values.backup.s3.bucket) (not $claim.existingClaim) (ne $claim.accessMode "ReadWriteMany") }}
{{- fail "backup.claim.existingClaim: name a claim of yours, or set backup.claim.accessMode to ReadWriteMany, or use backup.s3. One that is made here and that no server mounts stays unbound until the first backup, and `helm --wait` would wait for it in vain" }}
{{- end }}
{{- if and .Values.restore.enabled (not .Values.backup.enabled) }}
{{- fail "restore.enabled needs backup.enabled, which says where backups are" }}
{{- end }}
{{- if and .Values.restore.enabled .Values.secrets.create .Release.IsInstall (not (lookup "v1" "Secret" .Release.Namespace (printf "%s-secrets" (include "governlayer.fullname" .)))) }}
{{- fail (printf "restore.enabled: the Secret %s-secrets of the lost installation is not there, and new secrets would not open its data: put it back from your copy, or name another one in secrets.existingSecret" (include "governlayer.fullname" .)) }}
{{- end }}
{{- end }}
