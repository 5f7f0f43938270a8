{{- define "pdray.name" -}}
{{- printf "%s" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "pdray.labels" -}}
app.kubernetes.io/name: pdray
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "pdray.secret" -}}
{{- .Values.existingSecret | default (printf "%s-keys" (include "pdray.name" .)) -}}
{{- end -}}

{{- define "pdray.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "pdray.name" .) -}}
{{- end -}}

{{- define "pdray.claim" -}}
{{- .Values.workspace.existingClaim | default (printf "%s-workspace" (include "pdray.name" .)) -}}
{{- end -}}

{{- define "pdray.qdrantUrl" -}}
{{- if .Values.qdrant.enabled -}}
http://{{ include "pdray.name" . }}-qdrant:6333
{{- else -}}
{{ required "Name a Qdrant server with qdrant.url, or enable the one of this chart: several machines share no embedded index." .Values.qdrant.url }}
{{- end -}}
{{- end -}}

{{/* Environment of every process. "key" is the entry of the Secret that Qdrant is asked with. */}}
{{- define "pdray.environment" -}}
- name: PDRAY_WORKSPACE
  value: {{ .root.Values.workspace.url | default "/data/workspace" | quote }}
- name: PDRAY_QDRANT_URL
  value: {{ include "pdray.qdrantUrl" .root | quote }}
- name: PDRAY_QDRANT_API_KEY_FILE
  value: /etc/pdray/{{ .key }}
{{- if .root.Values.library.existingSecret }}
- name: PDRAY_LIBRARY_URL_FILE
  value: /etc/pdray-library/library-url
{{- end }}
{{- if .serves }}
- name: PDRAY_SERVE_WRITE_KEY_FILE
  value: /etc/pdray/write-key
- name: PDRAY_SERVE_READ_KEY_FILE
  value: /etc/pdray/read-key
{{- if .root.Values.redis.enabled }}
- name: PDRAY_SERVE_CACHE_URL_FILE
  value: /etc/pdray/cache-url
{{- end }}
- name: RAY_SERVE_PROXY_USE_GRPC
  value: "1"
- name: RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD
  value: "0"
- name: RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP
  value: "0"
- name: RAY_SERVE_LOG_TO_STDERR
  value: "0"
- name: RAY_worker_niceness
  value: "0"
- name: RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH
  value: pdray.serve.proxying:front
{{- end }}
{{- range $name, $value := .root.Values.environment }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* The pod of a Ray node: root, component, key, serves, resources, gpu, and where it may go. */}}
{{- define "pdray.pod" -}}
metadata:
  labels:
    {{- include "pdray.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  serviceAccountName: {{ include "pdray.serviceAccount" .root }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  # Units in hand are finished and replicas drained before the pod is killed.
  terminationGracePeriodSeconds: 120
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- if .spread }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          app.kubernetes.io/instance: {{ .root.Release.Name }}
          app.kubernetes.io/component: {{ .component }}
          ray.io/node-type: worker
  {{- end }}
  containers:
    - name: {{ .container }}
      image: {{ .root.Values.image.repository }}:{{ .gpu | ternary .root.Values.image.gpuTag .root.Values.image.tag }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      securityContext:
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL]}
      env:
        {{- include "pdray.environment" . | nindent 8 }}
      {{- with .root.Values.bucketSecret }}
      envFrom:
        - secretRef: {name: {{ . }}}
      {{- end }}
      {{- if eq .container "ray-head" }}
      ports:
        - {name: gcs-server, containerPort: 6379}
        - {name: dashboard, containerPort: 8265}
        - {name: client, containerPort: 10001}
        {{- if .serves }}
        - {name: serve, containerPort: 8000}
        {{- end }}
      {{- end }}
      resources:
        # Ray counts what is asked for; memory has no more, so that the node is not the one that runs out.
        requests: {cpu: {{ .resources.cpu | quote }}, memory: {{ .resources.memory }}}
        limits:
          memory: {{ .resources.memory }}
          {{- if .gpu }}
          nvidia.com/gpu: 1
          {{- end }}
      volumeMounts:
        - {name: keys, mountPath: /etc/pdray, readOnly: true}
        {{- if .root.Values.library.existingSecret }}
        - {name: library, mountPath: /etc/pdray-library, readOnly: true}
        {{- end }}
        - {name: data, mountPath: /data}
        - {name: shm, mountPath: /dev/shm}
  volumes:
    - name: keys
      secret:
        secretName: {{ include "pdray.secret" .root }}
        items:
          - {key: {{ .key }}, path: {{ .key }}}
          {{- if .serves }}
          - {key: write-key, path: write-key}
          - {key: read-key, path: read-key}
          {{- if .root.Values.redis.enabled }}
          - {key: cache-url, path: cache-url}
          {{- end }}
          {{- end }}
    {{- with .root.Values.library.existingSecret }}
    - name: library
      secret: {secretName: {{ . }}, items: [{key: library-url, path: library-url}]}
    {{- end }}
    - name: data
      {{- if .root.Values.workspace.url }}
      emptyDir: {} # models that were fetched; the workspace is in the bucket
      {{- else }}
      persistentVolumeClaim: {claimName: {{ include "pdray.claim" .root }}}
      {{- end }}
    - name: shm # Ray's object store, which takes a third of the memory
      emptyDir: {medium: Memory, sizeLimit: {{ .resources.memory }}}
{{- end -}}

{{/* A Ray cluster: root, component, key, serves, and the head, workers and gpu of `of`. */}}
{{- define "pdray.rayCluster" -}}
rayVersion: {{ .root.Values.rayVersion | quote }}
authOptions: {mode: token} # KubeRay makes the token and gives it to all pods
enableInTreeAutoscaling: true
autoscalerOptions:
  version: v2
  idleTimeoutSeconds: 300
  resources:
    requests: {cpu: 200m, memory: 512Mi}
    limits: {memory: 1Gi}
headGroupSpec:
  rayStartParams:
    num-cpus: "0" # replicas and units go to workers, whose loss costs less
  template:
    {{- include "pdray.pod" (merge (dict "container" "ray-head" "resources" .of.head.resources "gpu" false) .) | nindent 4 }}
workerGroupSpecs:
  - groupName: cpu
    replicas: {{ .of.workers.minReplicas }}
    minReplicas: {{ .of.workers.minReplicas }}
    maxReplicas: {{ .of.workers.maxReplicas }}
    rayStartParams: {}
    template:
      {{- include "pdray.pod" (merge (dict "container" "ray-worker" "resources" .of.workers.resources "nodeSelector" .of.workers.nodeSelector "tolerations" .of.workers.tolerations "gpu" false "spread" true) .) | nindent 6 }}
  {{- if .of.gpu.enabled }}
  - groupName: gpu
    replicas: {{ .of.gpu.minReplicas }}
    minReplicas: {{ .of.gpu.minReplicas }}
    maxReplicas: {{ .of.gpu.maxReplicas }}
    rayStartParams: {}
    template:
      {{- include "pdray.pod" (merge (dict "container" "ray-worker" "resources" .of.gpu.resources "nodeSelector" .of.gpu.nodeSelector "tolerations" .of.gpu.tolerations "gpu" true) .) | nindent 6 }}
  {{- end }}
{{- end -}}
