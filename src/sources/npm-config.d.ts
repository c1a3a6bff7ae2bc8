// @npmcli/config has no types of its own.
declare module "@npmcli/config" {
  export default class Config {
    constructor(options: Record<string, unknown>);
    load(): Promise<void>;
    readonly flat: Record<string, unknown>;
  }
}
declare module "@npmcli/config/lib/definitions/index.js" {
  const definitions: Record<"definitions" | "shorthands" | "flatten", unknown>;
  export default definitions;
}
