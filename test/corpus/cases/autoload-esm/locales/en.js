export default { hi: "Hello" };
