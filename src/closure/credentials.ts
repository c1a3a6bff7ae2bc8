import path from "node:path";

const names =
  /^(?:\.env(?:\..+)?|\.npmrc|\.yarnrc(?:\.yml)?|\.netrc|\.pypirc|\.git-credentials|\.htpasswd|id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|\.dockerconfigjson)$/i;
/** Files that only show what the real one would hold. */
const samples = /^\.env\.(?:example|sample|template|dist|schema|defaults)$/i;
const keys = /\.(?:pem|key|p12|pfx|jks|keystore|ppk)$/i;
const secret = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----/;

/**
 * Whether a file looks like a secret, by its name, or for key formats by what is inside: a certificate in a
 * `.pem` is none.
 */
export function isCredential(file: string, read: () => Buffer): boolean {
  const name = path.basename(file);
  if (file.split(path.sep).includes(".git")) return true;
  if (names.test(name)) return !samples.test(name);
  if (!keys.test(name)) return false;
  return /\.(?:pem|key)$/i.test(name)
    ? secret.test(
        read()
          .subarray(0, 64 * 1024)
          .toString("latin1"),
      )
    : true;
}
