import { bytesContent } from "../../layer/entry.ts";
import type { ClosureEntry, ClosurePart, Component } from "../types.ts";

/** The account that programs run as when nothing else is asked for. */
export const nonroot = { uid: 65532, gid: 65532, home: "/home/nonroot" } as const;

const root = { uid: 0, gid: 0 };

/** What slim writes by itself, without any package behind it. */
const component: Component = { purl: "pkg:generic/slim-rootfs", name: "slim-rootfs" };

const passwd = `root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:${nonroot.uid}:${nonroot.gid}:nonroot:${nonroot.home}:/sbin/nologin
`;
const group = `root:x:0:
nobody:x:65534:
nonroot:x:${nonroot.gid}:
`;
/** Local files first, then DNS: what C libraries and Go's resolver look for before they ask anybody. */
const nsswitch = `passwd: files
group: files
shadow: files
hosts: files dns
services: files
protocols: files
`;

/** For runtimes that bring none of their own: nobody else knows the name. */
const hosts = `127.0.0.1 localhost
::1 localhost
`;

/**
 * Accounts, names, the order of look-ups, a place for temporary files, a home and mount points.
 * @param has whether the base has something at a path, which is then left as it is
 */
export function rootfs(has: (path: string) => boolean = () => false): ClosurePart {
  const text = (path: string, content: string): ClosureEntry => ({
    entry: { type: "file", path, mode: 0o644, uid: 0, gid: 0, content: bytesContent(content) },
    layer: "os",
    purl: component.purl,
    reasons: [{ kind: "preset", what: "accounts" }],
  });
  const folder = (
    path: string,
    mode: number,
    { uid, gid }: { uid: number; gid: number },
    what: string,
  ): ClosureEntry => ({
    entry: { type: "directory", path, mode, uid, gid },
    layer: "os",
    purl: component.purl,
    reasons: [{ kind: "preset", what }],
  });
  const all = [
    text("/etc/passwd", passwd),
    text("/etc/group", group),
    text("/etc/nsswitch.conf", nsswitch),
    // A base that has accounts is a system of its own; the home belongs to an account that only these have.
    ...(has("/etc/passwd") ? [] : [text("/etc/hosts", hosts), folder(nonroot.home, 0o700, nonroot, "home")]),
    folder("/tmp", 0o1777, root, "temporary files"),
    // Where runtimes mount; some cannot make a folder in a root that is read-only.
    ...["/dev", "/proc", "/sys"].map((path) => folder(path, 0o755, root, "mount points")),
  ];
  const entries = all.filter(({ entry }) => !has(entry.path));
  return { entries, components: entries.length > 0 ? [component] : [], diagnostics: [] };
}
