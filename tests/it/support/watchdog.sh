# Ends the servers of a test run when the run ends, however it ends. Reads on standard input
#   guard PID SIGNAL   end this process by SIGNAL
#   release PID        it is gone already
# and acts at end of file: the run's end of the pipe is closed by the kernel even after SIGKILL.
# $1 is the run's scratch directory, removed last.
trap '' INT TERM HUP
guarded=
while read -r verb pid signal; do
    kept=
    for entry in $guarded; do
        [ "${entry%%:*}" = "$pid" ] || kept="$kept $entry"
    done
    guarded=$kept
    [ "$verb" = release ] || guarded="$guarded $pid:$signal"
done
for entry in $guarded; do
    kill -CONT "${entry%%:*}"
    kill "-${entry##*:}" "${entry%%:*}"
done
rounds=100
for entry in $guarded; do
    while [ "$rounds" -gt 0 ] && kill -0 "${entry%%:*}"; do
        sleep 0.05
        rounds=$((rounds - 1))
    done
    kill -KILL "${entry%%:*}"
done
rm -rf "$1"
