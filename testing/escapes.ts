/**
 * Attempts of root in a step to leave it. Each is a script for BusyBox's shell that prints something only if it has got what it wants. They
 * know `CANARY`, the path of a file outside, whose content is `canary`; `VICTIM`, a process outside; and `DISK`, the numbers of its disk.
 */
export const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["a path from the root", "cat $CANARY"],
  ["a path with more parents than there are", "cd /tmp && cat ../../../../../../../..$CANARY"],
  ["a symbolic link", "ln -s $CANARY /link && cat /link"],
  ["a hard link", "ln $CANARY /hard && cat /hard"],
  ["the root of the first process", "cat /proc/1/root$CANARY"],
  ["the root of the parent", "cat /proc/$PPID/root$CANARY"],
  ["the root of a process outside", "cat /proc/$VICTIM/root$CANARY"],
  ["the working directory of the first process", "cat /proc/1/cwd/../../../../..$CANARY"],
  ["the environment of the first process", "tr '\\0' '\\n' < /proc/1/environ | grep OUTSIDE"],
  ["the environment of the parent", "tr '\\0' '\\n' < /proc/$PPID/environ | grep OUTSIDE"],
  ["the environment of a process outside", "tr '\\0' '\\n' < /proc/$VICTIM/environ | grep OUTSIDE"],
  ["the memory of a process outside", "head -c 1 /proc/$VICTIM/mem"],
  ["descriptors that were left open", "for i in 3 4 5 6 7 8 9; do (: <&$i) 2>/dev/null && echo $i; done"],
  ["descriptors of a process outside", "ls /proc/$VICTIM/fd"],
  ["a second root below an open directory", "mkdir -p /sub && chroot /sub /bin/sh -c 'cd ../../../..; cat .'$CANARY"],
  ["the mounts of the first process", "nsenter -t 1 -m -- cat $CANARY"],
  ["all namespaces of a process outside", "nsenter -t $VICTIM -m -p -- cat $CANARY"],
  ["a user namespace", "unshare -U true && echo made"],
  ["a mount namespace", "unshare -m true && echo made"],
  ["a mount in memory", "mount -t tmpfs none /tmp && echo mounted"],
  ["a bind mount of the root", "mount --bind / /tmp && echo mounted"],
  ["another /proc", "mkdir -p /proc2 && mount -t proc none /proc2 && echo mounted"],
  ["a version 1 hierarchy of control groups", "mkdir -p /g && mount -t cgroup -o memory none /g && echo mounted"],
  ["the mount over /proc", "umount -l /proc && echo unmounted"],
  ["another root by pivot_root", "cd /tmp && mkdir -p old && pivot_root . old && echo changed"],
  ["the disk", "mknod /disk b $DISK && head -c 512 /disk | wc -c | grep -v '^0'"],
  ["the memory of the machine", "mknod /mem c 1 1 && head -c 1 /mem | wc -c | grep -v '^0'"],
  ["the log of the kernel", "dmesg | head -1"],
  [
    "settings of the kernel",
    "cat /proc/sys/kernel/core_pattern > /tmp/p && cat /tmp/p > /proc/sys/kernel/core_pattern && echo set",
  ],
  ["the handler of hotplug events", "echo > /sys/kernel/uevent_helper && echo set"],
  ["a signal to a process outside", "kill -0 $VICTIM && echo may"],
  ["the priority of a process outside", "renice -n 1 -p $VICTIM 2>&1 | grep -v -i permitted | grep -v -i 'no such'"],
  ["the clock", "date -s @$(date +%s) 2>&1 >/dev/null | grep -q . || echo set"],
  ["the addresses of the machine", "ip link add dummy9 type dummy && echo made"],
]);

/** An attempt that succeeds, so that the others can be seen to. */
export const CONTROL = "a file of its own";

/** Returns a script that makes all attempts, each in a shell of its own, and prints a line with the name of each that has succeeded. */
export function escapeScript(): string {
  const attempts = [...ESCAPES, [CONTROL, "cat /escapes"] as const].map(
    ([name, script]) => `attempt '${name}' <<'END'\n${script}\nEND`,
  );
  return `attempt() { out=$(timeout 10 sh 2>/dev/null); if test -n "$out"; then echo "ESCAPED $1"; fi; }\n${attempts.join("\n")}\necho all tried\n`;
}
