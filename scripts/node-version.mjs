// Every command imports this file first: modules are evaluated in the order of their imports, so an old Node is told
// here, in one line, before anything newer than it is run. Keep this file (and the syntax of all scripts) to what
// Node 16 can read: a syntax error would come before the message.
const oldest = [20, 19];
const [major, minor] = process.versions.node.split(".").map(Number);

if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  process.stderr.write(
    `This project needs Node ${oldest.join(".")} or newer; this is Node ${process.versions.node}.\n`,
  );
  process.exit(1);
}
