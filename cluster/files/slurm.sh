#!/usr/bin/env bash
# `sbatch cluster/files/slurm.sh camvid.yaml`: one sweep on a Ray cluster inside a Slurm job.
# A job that is requeued, by preemption or by hand, resumes the same sweep.
# Change: the partition, the numbers, SEGSWEEP_STORAGE (a folder that all nodes see).
#SBATCH --job-name=segsweep
#SBATCH --partition=gpu
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --mem=0
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@180
set -euo pipefail

spec=${1:?usage: sbatch slurm.sh SPEC [segsweep options]}
shift
: "${SEGSWEEP_STORAGE:=$HOME/segsweep-runs}"
export SEGSWEEP_STORAGE RAY_USAGE_STATS_ENABLED=0

# The token of this job's cluster; only processes of the job know it, and nothing prints it.
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export RAY_AUTH_TOKEN

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head_node=${nodes[0]}
head_ip=$(srun --nodes=1 --ntasks=1 --nodelist="$head_node" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 20000))

srun --nodes=1 --ntasks=1 --nodelist="$head_node" --overlap \
    ray start --head --node-ip-address="$head_ip" --port="$port" --dashboard-host=127.0.0.1 \
    --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --block &
for node in "${nodes[@]:1}"; do
    srun --nodes=1 --ntasks=1 --nodelist="$node" --overlap \
        ray start --address="$head_ip:$port" \
        --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --block &
done

# Workers that are late join while the sweep runs; only the head must be there.
for _ in $(seq 60); do
    if ray status --address="$head_ip:$port" > /dev/null 2>&1; then break; fi
    sleep 2
done

segsweep run "$spec" --id "slurm-$SLURM_JOB_ID" \
    --set "resources.address=$head_ip:$port" --set "storage.root=$SEGSWEEP_STORAGE" "$@" &
driver=$!
# Slurm's warning ends the sweep cleanly, in its checkpoints; the requeued job resumes from there.
leave() {
    kill -TERM "$driver"
    wait "$driver" || true
    scontrol requeue "$SLURM_JOB_ID"
    exit 0
}
trap leave TERM
status=0
wait "$driver" || status=$?
exit "$status"
