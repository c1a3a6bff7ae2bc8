require("@oclif/core").execute({
  dir: __dirname,
  args: process.argv.slice(2).length ? process.argv.slice(2) : ["hello", "you"],
});
