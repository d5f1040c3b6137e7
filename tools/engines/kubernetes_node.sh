#!/bin/bash
# One node of Kubernetes: etcd, the control plane, kubelet, containerd, kube-proxy and a name server, inside of a machine
# (machine.py) with what kubernetes.sh built in /opt/kubernetes. It ends with the machine. Images in /mnt/data/images/*.tar
# are loaded; /mnt/data/ready appears when all is there.
set -eu

node=10.99.0.1 # the node's address, and its name server's
home=/mnt/data
export PATH=/opt/kubernetes:$PATH KUBECONFIG=$home/admin.conf

# The bridge is the node's only interface; the default route leads nowhere, but kubelet and kube-proxy ask for one.
make_network() {
    ip link add node0 type bridge
    ip addr add $node/24 dev node0
    ip link set node0 up
    ip route add default via 10.99.0.2 dev node0
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
}

certificate() { # NAME SUBJECT
    openssl req -newkey rsa:2048 -nodes -keyout "pki/$1.key" -out "pki/$1.csr" -subj "$2" 2>/dev/null
    openssl x509 -req -in "pki/$1.csr" -CA pki/ca.crt -CAkey pki/ca.key -CAcreateserial -days 7 -out "pki/$1.crt" \
        -extfile pki/names 2>/dev/null
}

kubeconfig() { # NAME
    cat >"$1.conf" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: one, cluster: {server: "https://127.0.0.1:6443", certificate-authority: $PWD/pki/ca.crt}}]
users: [{name: $1, user: {client-certificate: $PWD/pki/$1.crt, client-key: $PWD/pki/$1.key}}]
contexts: [{name: one, context: {cluster: one, user: $1}}]
current-context: one
EOF
    chmod 600 "$1.conf"
}

make_identities() {
    openssl genrsa -out pki/accounts.key 2048 2>/dev/null
    openssl rsa -in pki/accounts.key -pubout -out pki/accounts.pub 2>/dev/null
    openssl req -x509 -newkey rsa:2048 -nodes -keyout pki/ca.key -out pki/ca.crt -days 7 -subj /CN=cluster 2>/dev/null
    cat >pki/names <<EOF
subjectAltName=IP:127.0.0.1,IP:$node,IP:10.96.0.1,DNS:node1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
extendedKeyUsage=serverAuth,clientAuth
EOF
    certificate api /CN=kube-apiserver
    certificate admin /O=system:masters/CN=admin
    certificate manager /O=system:masters/CN=manager
    certificate kubelet /O=system:nodes/CN=system:node:node1
    for name in admin manager kubelet; do kubeconfig "$name"; done
}

run() { # NAME COMMAND…
    local name=$1
    shift
    "$@" >"log/$name" 2>&1 &
}

wait_for() { # SECONDS COMMAND…
    local left=$1
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { echo "kubernetes_node: gave up waiting for: $*" >&2; exit 1; }
        sleep 1
    done
}

start_control_plane() {
    run etcd etcd --data-dir etcd --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --unsafe-no-fsync
    run apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --secure-port 6443 --bind-address 0.0.0.0 \
        --advertise-address $node --tls-cert-file pki/api.crt --tls-private-key-file pki/api.key \
        --client-ca-file pki/ca.crt --service-account-key-file pki/accounts.pub \
        --service-account-signing-key-file pki/accounts.key --service-account-issuer https://kubernetes.default \
        --service-cluster-ip-range 10.96.0.0/16 --authorization-mode Node,RBAC --allow-privileged=true \
        --kubelet-preferred-address-types InternalIP --kubelet-client-certificate pki/admin.crt --kubelet-client-key pki/admin.key \
        --enable-admission-plugins NodeRestriction
    wait_for 90 kubectl get --raw /readyz
    run manager kube-controller-manager --kubeconfig manager.conf --service-account-private-key-file pki/accounts.key \
        --root-ca-file pki/ca.crt --cluster-signing-cert-file pki/ca.crt --cluster-signing-key-file pki/ca.key \
        --allocate-node-cidrs=true --cluster-cidr 10.244.0.0/16
    run scheduler kube-scheduler --kubeconfig manager.conf
}

# restrict_oom_score_adj: where root may not lower it, no container would start.
start_containerd() {
    cat >containerd.toml <<EOF
version = 2
root = "$PWD/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$PWD/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
EOF
    cat >cni/10-bridge.conflist <<EOF
{"cniVersion": "0.4.0", "name": "bridge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
    run containerd containerd -c containerd.toml
    wait_for 30 ctr -a /run/containerd.sock version
}

# The sandbox of each pod: one static program that sleeps, packed as an image.
make_pause_image() {
    local layer digest config
    mkdir -p pause/layer
    cp /usr/bin/catatonit pause/layer/pause
    tar -C pause/layer --sort=name --owner=0 --group=0 --mtime=@0 -cf pause/layer.tar pause
    digest=$(sha256sum pause/layer.tar | cut -d ' ' -f 1)
    printf '{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/pause","-P"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$digest" >pause/config.json
    config=$(sha256sum pause/config.json | cut -d ' ' -f 1)
    mv pause/config.json "pause/$config.json"
    printf '[{"Config":"%s.json","RepoTags":["localhost/pause:1"],"Layers":["layer.tar"]}]' "$config" >pause/manifest.json
    tar -C pause -cf pause.tar manifest.json "$config.json" layer.tar
    ctr -a /run/containerd.sock -n k8s.io images import pause.tar >/dev/null
}

load_images() {
    local archive
    for archive in images/*.tar; do
        [ -e "$archive" ] || continue
        ctr -a /run/containerd.sock -n k8s.io images import "$archive"
    done
}

# Images are never removed, however full the disk is: there is nowhere to fetch them again.
start_kubelet() {
    cat >kubelet.yaml <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PWD/pki/ca.crt}}
authorization: {mode: Webhook}
clusterDNS: ["$node"]
clusterDomain: cluster.local
failSwapOn: false
cgroupDriver: cgroupfs
enforceNodeAllocatable: []
imageGCHighThresholdPercent: 100
evictionHard: {imagefs.available: "1%", nodefs.available: "1%"}
EOF
    run kubelet kubelet --config kubelet.yaml --kubeconfig kubelet.conf --root-dir "$PWD/kubelet" \
        --container-runtime remote --container-runtime-endpoint unix:///run/containerd.sock \
        --hostname-override node1 --node-ip $node --cert-dir pki
    run proxy kube-proxy --kubeconfig manager.conf --hostname-override node1 --cluster-cidr 10.244.0.0/16 \
        --conntrack-max-per-core 0
    wait_for 120 sh -c "kubectl get nodes | grep -q ' Ready'"
}

# Services by their address, headless ones by the addresses of their pods.
list_names() {
    kubectl get services --all-namespaces --no-headers \
        -o 'custom-columns=A:.spec.clusterIP,N:.metadata.name,S:.metadata.namespace' |
        awk '$1 != "None" {print $1, $2 "." $3 ".svc.cluster.local"}'
    kubectl get endpoints --all-namespaces -l service.kubernetes.io/headless -o go-template='{{range $e := .items}}{{range .subsets}}{{range .addresses}}{{.ip}} {{$e.metadata.name}}.{{$e.metadata.namespace}}.svc.cluster.local{{if .hostname}} {{.hostname}}.{{$e.metadata.name}}.{{$e.metadata.namespace}}.svc.cluster.local{{end}}{{"\n"}}{{end}}{{end}}{{end}}'
}

serve_names() {
    : >hosts
    dnsmasq --keep-in-foreground --no-resolv --no-hosts --addn-hosts="$PWD/hosts" --listen-address=$node --bind-interfaces \
        --local=/cluster.local/ --user=root --log-facility="$PWD/log/names" &
    local server=$!
    while kill -0 $server; do
        if list_names >hosts.new 2>/dev/null && ! cmp -s hosts hosts.new; then
            cp hosts.new hosts
            kill -HUP $server
        fi
        sleep 1
    done
}

mkdir -p $home/{pki,log,etcd,containerd,kubelet,cni,volumes,images}
cd $home
mount --make-rshared / # what kubelet mounts must be seen by containers
make_network
make_identities
start_containerd
make_pause_image
start_control_plane
start_kubelet
serve_names &
load_images
touch ready
wait
