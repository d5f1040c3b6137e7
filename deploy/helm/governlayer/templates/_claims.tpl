{{/* The spec of a claim: (dict "claim" MAP "mode" "ReadWriteOnce"). */}}
{{- define "governlayer.claim" -}}
accessModes: [{{ .mode }}]
{{- with .claim.storageClass }}
storageClassName: {{ . }}
{{- end }}
resources: {requests: {storage: {{ .claim.size }}}}
{{- end }}
