const x: number = 1;
process.stdout.write(`${x}\n`);
