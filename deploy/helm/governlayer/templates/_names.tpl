{{/* Names, labels, images. Most helpers take (dict "root" $ "component" "server"). */}}

{{- define "governlayer.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 38 | trimSuffix "-" }}
{{- end }}

{{/* At most 38 characters: the name of a CronJob may have 52, and -ledger-verify has 14. */}}
{{- define "governlayer.fullname" -}}
{{- $name := include "governlayer.name" . }}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- .Values.fullnameOverride | default $both | trunc 38 | trimSuffix "-" }}
{{- end }}

{{- define "governlayer.releaseLabels" -}}
app.kubernetes.io/name: {{ include "governlayer.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "governlayer.selector" -}}
{{ include "governlayer.releaseLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "governlayer.labels" -}}
{{ include "governlayer.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The head of an object: (dict "root" $ "component" "server" "suffix" "-secrets"); the suffix may be missing. */}}
{{- define "governlayer.metadata" -}}
name: {{ include "governlayer.fullname" .root }}{{ .suffix | default "" }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "governlayer.labels" . | nindent 2 }}
{{- end }}

{{/*
The metadata of a pod: (dict "root" $ "component" "server" "annotations" "YAML, may be missing"). A new version of the
chart alone exchanges no pod; nor do podLabels and podAnnotations exchange the PostgreSQL of a trial ("trial" is given).
*/}}
{{- define "governlayer.podMetadata" -}}
{{- $ours := ternary dict (dict "labels" .root.Values.podLabels "annotations" .root.Values.podAnnotations) (hasKey . "trial") }}
labels:
  {{- include "governlayer.selector" . | nindent 2 }}
  {{- with $ours.labels }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with merge (deepCopy ($ours.annotations | default dict)) (.annotations | default "" | fromYaml) }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A reference to an image: (dict "root" $ "image" .Values.image "tag" "used where it names none"). */}}
{{- define "governlayer.image" -}}
{{- $registry := .root.Values.global.imageRegistry | default .image.registry }}
{{- $repository := ternary (printf "%s/%s" $registry .image.repository) .image.repository (ne $registry "") }}
{{- if .image.digest }}
{{- printf "%s@%s" $repository .image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (.image.tag | default .tag) }}
{{- end }}
{{- end }}

{{- define "governlayer.appImage" -}}
{{- include "governlayer.image" (dict "root" . "image" .Values.image "tag" .Chart.AppVersion) }}
{{- end }}
