#!/usr/bin/env bash
# A real SLURM of one node on loopback, for tests/workflow/test_slurm.py. For root on Debian or Ubuntu.
#
#   node.sh install      the packages, without starting their services
#   node.sh start        start the daemons and wait for the node; prints the folder of their state and logs
#   node.sh stop FOLDER  cancel the jobs, end the daemons and remove the configuration
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
conf=/etc/slurm/slurm.conf

fail() { echo "node.sh: $*" >&2; exit 1; }

install_slurm() {
  # 101 tells Debian's package scripts to start no service.
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends slurmctld slurmd slurm-client munge
}

# Daemons on loopback, no cgroups, no accounting; CPUs and memory are scheduled, and finished jobs stay visible.
configure() {
  local host memory cpus
  host=$(hostname -s)
  # Without --all, nproc says what OMP_NUM_THREADS says.
  cpus=$(nproc --all)
  memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
  cat > "$1/slurm.conf" << CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16917
SlurmdPort=16918
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$1/munge/socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/none
MinJobAge=3600
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0
ReturnToService=2
MpiDefault=none
KillWait=5
DefMemPerCPU=500
PropagateResourceLimits=NONE
StateSaveLocation=$1/state
SlurmdSpoolDir=$1/spool
SlurmctldPidFile=$1/slurmctld.pid
SlurmdPidFile=$1/slurmd.pid
SlurmctldLogFile=$1/slurmctld.log
SlurmdLogFile=$1/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
}

start() {
  local folder as_munge
  for daemon in munged slurmctld slurmd; do
    command -v "$daemon" > /dev/null || fail "$daemon is missing: run '$0 install' first"
  done
  [ ! -e "$conf" ] && [ ! -L "$conf" ] || fail "$conf exists: this machine has a SLURM already"
  folder=$(mktemp -d -t slurm_node.XXXXXX)
  chmod 755 "$folder"
  mkdir -p "$folder"/{state,spool} "$(dirname "$conf")"
  install -d -o munge -g munge -m 755 "$folder/munge"
  head -c 128 /dev/urandom > "$folder/munge/key"
  chown munge:munge "$folder/munge/key"
  chmod 400 "$folder/munge/key"
  configure "$folder"
  ln -s "$folder/slurm.conf" "$conf"
  as_munge=(setpriv --reuid=munge --regid=munge --init-groups)
  "${as_munge[@]}" munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munge/munged.pid" --log-file="$folder/munge/munged.log" --seed-file="$folder/munge/seed"
  slurmctld
  slurmd
  for _ in $(seq 150); do
    if [ "$(timeout 5 sinfo -h -o %T 2> /dev/null)" = idle ]; then
      echo "$folder"
      return
    fi
    sleep 0.2
  done
  tail -n 20 "$folder"/*.log >&2
  stop "$folder"
  fail "the node did not become idle within 30 s"
}

stop() {
  local folder=$1 daemon pid
  timeout 10 scancel --user=root 2> /dev/null || true
  for daemon in slurmd slurmctld munge/munged; do
    pid=$(cat "$folder/$daemon.pid" 2> /dev/null) || continue
    # The number may belong to another process by now.
    [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = "${daemon##*/}" ] || continue
    kill "$pid"
    for _ in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
  done
  # Without a controller, this file would cost every snakemake call ten seconds.
  [ "$(readlink "$conf")" != "$folder/slurm.conf" ] || rm "$conf"
}

[ "$(id -u)" = 0 ] || fail "run as root"
case "${1:-}:$#" in
  install:1) install_slurm ;;
  start:1) start ;;
  stop:2) stop "$2" ;;
  *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
