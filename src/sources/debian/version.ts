/** What comes between two runs of digits sorts by this: `~` before the end, the end before letters, letters before the rest. */
function weight(character: string | undefined): number {
  if (character === "~") return -1;
  if (character === undefined) return 0;
  return /[A-Za-z]/.test(character) ? character.charCodeAt(0) : character.charCodeAt(0) + 256;
}

function compareText(a: string, b: string): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = weight(a[index]) - weight(b[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Numbers of any length, so compared as text. */
function compareDigits(a: string, b: string): number {
  const [left, right] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}

function comparePart(a: string, b: string): number {
  const [left, right] = [a, b].map((part) => part.split(/([0-9]+)/)) as [string[], string[]];
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const compare = index % 2 === 0 ? compareText : compareDigits;
    const difference = compare(left[index] ?? "", right[index] ?? "");
    if (difference !== 0) return difference;
  }
  return 0;
}

function parts(version: string): [epoch: string, upstream: string, revision: string] {
  const colon = version.indexOf(":");
  const rest = version.slice(colon + 1);
  const hyphen = rest.lastIndexOf("-");
  return [
    colon === -1 ? "" : version.slice(0, colon),
    hyphen === -1 ? rest : rest.slice(0, hyphen),
    hyphen === -1 ? "" : rest.slice(hyphen + 1),
  ];
}

/**
 * Debian's order of versions: below 0 when `a` is older than `b`, 0 when they are equal.
 * https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  return compareDigits(left[0], right[0]) || comparePart(left[1], right[1]) || comparePart(left[2], right[2]);
}
