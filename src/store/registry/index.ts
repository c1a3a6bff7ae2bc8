export { type Attachment, type CopyOptions, type PushOptions, RegistryClient, type RegistryOutput } from "./client.ts";
export { chooseImage, copy } from "./copy.ts";
export { listLogins } from "./credentials.ts";
export type { Diagnosis, Finding } from "./doctor.ts";
export type { Login, RegistryOptions, Timing } from "./options.ts";
export { problemOf, type RegistryProblem } from "./problem.ts";
