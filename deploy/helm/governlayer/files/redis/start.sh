# The password goes into a file in memory: on the command line every process could read it.
set -eu
umask 077
{
  cat /etc/governlayer/valkey.conf
  printf 'requirepass %s\n' "$(cat /run/governlayer/secrets/redis-password)"
} > /tmp/valkey.conf
exec valkey-server /tmp/valkey.conf
