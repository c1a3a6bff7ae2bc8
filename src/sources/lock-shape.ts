import { isDigest } from "../image/digest.ts";

/** Where a value is not of a form, as `.debian.suite`; undefined where it is. */
type Form = (value: unknown) => string | undefined;

/** The place in a parsed `slim.lock` that is not as slim writes it; undefined for a good one. */
export function damagedPlace(lock: object): string | undefined {
  return form(lock)?.slice(1);
}

function one(isGood: (value: unknown) => boolean): Form {
  return (value) => (isGood(value) ? undefined : "");
}

const text = (pattern: RegExp) => one((value) => typeof value === "string" && pattern.test(value));

function record(of: Form): Form {
  return (value) => {
    if (!isObject(value)) return "";
    for (const [name, item] of Object.entries(value)) {
      const place = of(item);
      if (place !== undefined) return `.${name}${place}`;
    }
    return undefined;
  };
}

function fields(forms: Readonly<Record<string, Form>>, optional: Readonly<Record<string, Form>> = {}): Form {
  return (value) => {
    if (!isObject(value)) return "";
    for (const [name, of] of Object.entries({ ...forms, ...optional })) {
      if (value[name] === undefined && name in optional) continue;
      const place = of(value[name]);
      if (place !== undefined) return `.${name}${place}`;
    }
    return undefined;
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const anyText = text(/^/);
const integrity = text(/^sha(?:1|256|384|512)-/);

const debianPackage = fields({
  version: anyText,
  filename: anyText,
  sha256: text(/^[0-9a-f]{64}$/),
  size: one((value) => Number.isSafeInteger(value) && (value as number) >= 0),
  archive: text(/^(?:main|security)$/),
});

const form = fields(
  { lockVersion: one((value) => value === 1) },
  {
    node: fields({ requests: record(text(/^\d+\.\d+\.\d+/)), packages: record(integrity) }),
    packages: record(integrity),
    debian: fields(
      {
        suite: text(/^trixie$/),
        dates: record(text(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)),
        packages: record(record(debianPackage)),
      },
      { libraries: record(record(one((value) => value === null || typeof value === "string"))) },
    ),
    bases: record(one((value) => typeof value === "string" && isDigest(value))),
  },
);
