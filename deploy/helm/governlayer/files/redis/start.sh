# The one user may do what the server does, and nothing that others would miss: @dangerous holds CONFIG, FLUSHALL, DEBUG,
# KEYS and the like.
set -eu
umask 077
hash=$(printf %s "$(cat /run/governlayer/secrets/redis-password)" | sha256sum)
cat > /tmp/users.acl <<ACL
user default reset off
user governlayer reset on #${hash%% *} ~* &* -@all +@read +@write +@transaction +@connection +@pubsub +eval +evalsha +script|load +script|exists +time -@dangerous -@admin +client|setinfo +client|setname
ACL
exec valkey-server /etc/governlayer/valkey.conf --aclfile /tmp/users.acl
