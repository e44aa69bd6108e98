#!/usr/bin/env node
// The command `lorikeet`. The package brings its build with it; in a clone, what is missing or stale is installed and built first.
import { existsSync } from 'node:fs';

const clone = new URL('../scripts/run.mjs', import.meta.url);
if (existsSync(clone)) {
  process.argv.splice(2, 0, 'cli');
  await import(clone.href);
} else await import('../build/cli.js');
