/** @type {import("slim-oci").BuildOptions} */
export default {
  // node: "24",
  // env: { LOG_LEVEL: "info" },
  // expose: ["8080"],
};
