{{/*
The container that migrates, as the owner of the tables. `governlayer migrate` takes a lock in PostgreSQL: of several
that run at once one works, and the others wait for it and then find nothing to do.
*/}}
{{- define "governlayer.migrateContainer" -}}
{{ include "governlayer.appContainer" . }}
args: [migrate, --wait, "300"]
env: {{- include "governlayer.env" (dict "root" . "more" (list "governlayer.migrateSettings")) | nindent 2 }}
resources: {{- toYaml .Values.migrations.resources | nindent 2 }}
volumeMounts:
  - {name: secrets, mountPath: /run/governlayer/secrets, readOnly: true}
  - {name: owner-secrets, mountPath: /run/governlayer/owner, readOnly: true}
  - {name: database-tls, mountPath: /run/governlayer/database, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "governlayer.migrateVolumes" -}}
{{ include "governlayer.secretsVolume" . }}
{{ include "governlayer.ownerVolume" (dict "root" . "names" (list "databaseOwnerPassword")) }}
{{ include "governlayer.databaseTlsVolume" . }}
{{ include "governlayer.tmpVolume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
