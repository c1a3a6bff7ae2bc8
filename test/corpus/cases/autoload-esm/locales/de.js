export default { hi: "Hallo" };
