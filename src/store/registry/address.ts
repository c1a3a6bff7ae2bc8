import { BlockList, isIP } from "node:net";

/**
 * Networks that nothing from the public internet may lead into: this host, private, link-local
 * (clouds serve credentials at 169.254.169.254), shared, benchmarking, multicast and reserved ones.
 * https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
 */
const internal = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const) {
  internal.addSubnet(network, prefix, "ipv4");
}
for (const [network, prefix] of [
  ["::", 128],
  ["::1", 128],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
] as const) {
  internal.addSubnet(network, prefix, "ipv6");
}

/** Whether an IP address, with or without brackets, is of this host or of an internal network. */
export function isInternal(address: string): boolean {
  const bare = bareAddress(address);
  switch (isIP(bare)) {
    case 4:
      return internal.check(bare, "ipv4");
    case 6: {
      const mapped = embeddedIpv4(bare);
      return internal.check(bare, "ipv6") || (mapped !== undefined && internal.check(mapped, "ipv4"));
    }
    default:
      return false;
  }
}

/** Whether a host name or address (without port) is this host by definition, whatever DNS says. */
export function isLoopback(hostname: string): boolean {
  const bare = bareAddress(hostname).toLowerCase().replace(/\.$/, "");
  if (bare === "localhost" || bare.endsWith(".localhost") || bare === "::1") return true;
  return isIP(bare) === 4 && bare.startsWith("127.");
}

function bareAddress(address: string): string {
  return address.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
}

/** The IPv4 address inside a mapped (`::ffff:a.b.c.d`), NAT64 or 6to4 address, as URLs write it. */
function embeddedIpv4(address: string): string | undefined {
  const groups = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = "", tail] = groups.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const gap = tail === undefined ? 0 : 8 - front.length - back.length;
  const words = [...front, ...Array<string>(gap).fill("0"), ...back].map((word) => Number.parseInt(word, 16));
  const dotted = (high = 0, low = 0) => `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  const isMapped = words.slice(0, 5).every((word) => word === 0) && (words[5] === 0xffff || words[5] === 0);
  const isNat64 = words[0] === 0x64 && words[1] === 0xff9b;
  if (isMapped || isNat64) return dotted(words[6], words[7]);
  return words[0] === 0x2002 ? dotted(words[1], words[2]) : undefined;
}
