const p = require("passport");
p.use(new (require("passport-local"))(() => {}));
console.log(
  typeof require("helmet")(),
  typeof require("cors")(),
  typeof require("compression")(),
  typeof require("multer")(),
  require("nodemailer").createTransport({ jsonTransport: true }).transporter.name,
  require("rxjs").of(1).constructor.name,
  typeof require("protobufjs").parse,
);
