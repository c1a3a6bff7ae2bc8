import { shared } from "../shared.mjs";
export const name = "a";
export default () => shared;
