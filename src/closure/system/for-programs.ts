/**
 * What people read and machines without a container need: manuals, translations, completions for
 * shells, what bug reports and package checks use, and how a system starts and tends a service.
 */
const notForPrograms = [
  "/etc/apparmor.d",
  "/etc/bash_completion.d",
  "/etc/cron.d",
  "/etc/cron.daily",
  "/etc/init.d",
  "/etc/logrotate.d",
  "/etc/tmpfiles.d",
  "/etc/ufw",
  "/usr/lib/systemd/system",
  "/usr/lib/systemd/user",
  "/usr/lib/sysusers.d",
  "/usr/lib/tmpfiles.d",
  "/usr/lib/udev/rules.d",
  "/usr/share/apport",
  "/usr/share/bash-completion",
  "/usr/share/bug",
  "/usr/share/doc",
  "/usr/share/doc-base",
  "/usr/share/fish",
  "/usr/share/gdb/auto-load",
  "/usr/share/info",
  "/usr/share/initramfs-tools",
  "/usr/share/lintian",
  "/usr/share/locale",
  "/usr/share/man",
  "/usr/share/zsh",
];

/** What slim writes by itself. */
const ofRootfs = ["/etc/group", "/etc/hosts", "/etc/nsswitch.conf", "/etc/passwd"];

/** Whether a file of a package belongs into an image. */
export function isForPrograms(file: string): boolean {
  return !ofRootfs.includes(file) && !notForPrograms.some((folder) => file === folder || file.startsWith(`${folder}/`));
}
