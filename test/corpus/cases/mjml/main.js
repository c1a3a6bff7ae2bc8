const mjml = require("mjml");
const path = require("path");
(async () => {
  const out = await (mjml.default ?? mjml)(
    '<mjml><mj-body><mj-include path="./part.mjml" /><mj-section><mj-column><mj-text>Hi</mj-text></mj-column></mj-section></mj-body></mjml>',
    { filePath: path.join(__dirname, "part.mjml"), ignoreIncludes: false },
  );
  console.log(out.errors, out.html.length, out.html.includes("PART"));
  const mailer = require("nodemailer").createTransport({ streamTransport: true, buffer: true });
  const info = await mailer.sendMail({
    from: "a@b.c",
    to: "d@e.f",
    subject: "s",
    html: "x",
    attachments: [{ path: path.join(__dirname, "part.mjml") }],
    messageId: "<x@y>",
    date: new Date(0),
  });
  console.log(info.message.length > 300);
})();
