{{/* Certificates: who makes them, and where they are. All Secrets are of type kubernetes.io/tls. */}}

{{- define "governlayer.serverTlsSecret" -}}
{{- .Values.tls.existingSecret | default (printf "%s-server-tls" (include "governlayer.fullname" .)) }}
{{- end }}

{{/* (dict "root" $ "trial" "postgresql") */}}
{{- define "governlayer.trialTlsSecret" -}}
{{- (index .root.Values.trial .trial).tlsSecret | default (printf "%s-%s-tls" (include "governlayer.fullname" .root) .trial) }}
{{- end }}

{{/* Names of a Service inside of the cluster, as a JSON list: (dict "root" $ "service" NAME). */}}
{{- define "governlayer.serviceNames" -}}
{{- $namespaced := printf "%s.%s" .service .root.Release.Namespace }}
{{- list .service $namespaced (printf "%s.svc" $namespaced) (printf "%s.svc.%s" $namespaced .root.Values.clusterDomain) | toJson }}
{{- end }}

{{/* The certificates that are wanted, as a JSON object of part and DNS names. */}}
{{- define "governlayer.certificates" -}}
{{- $name := include "governlayer.fullname" . }}
{{- $server := include "governlayer.serviceNames" (dict "root" . "service" $name) | fromJsonArray }}
{{- $wanted := dict "server" (concat $server (list "localhost") .Values.tls.names) }}
{{- range $part := list "postgresql" "redis" }}
{{- if and (index $.Values.trial $part).enabled (not (index $.Values.trial $part).tlsSecret) }}
{{- $service := printf "%s-%s" $name $part }}
{{- $wanted = set $wanted $part (include "governlayer.serviceNames" (dict "root" $ "service" $service) | fromJsonArray) }}
{{- end }}
{{- end }}
{{- $wanted | toJson }}
{{- end }}

{{/* What a generated certificate was made for: it is made anew when that changes. */}}
{{- define "governlayer.madeFor" -}}
{{- printf "%s %d" (.names | join ",") (int .root.Values.tls.generate.renewal) | sha256sum | trunc 16 }}
{{- end }}
