const attempt = async (name, run) => {
  try {
    await run();
    console.log(name, "answered?");
  } catch (error) {
    console.log(name, error.name, error.code);
  }
};
(async () => {
  const { BlobServiceClient } = require("@azure/storage-blob");
  await attempt("azure", () =>
    new BlobServiceClient("http://127.0.0.1:1/a", undefined, { retryOptions: { maxTries: 1 } }).getProperties(),
  );
  const { S3Client, ListBucketsCommand } = require("@aws-sdk/client-s3");
  const credentials = { accessKeyId: "a", secretAccessKey: "b" };
  const s3 = new S3Client({ region: "eu-west-1", endpoint: "http://127.0.0.1:1", maxAttempts: 1, credentials });
  await attempt("s3", () => s3.send(new ListBucketsCommand({})));
  process.exit();
})();
