// A run as Markdown: on what, then what was asked for beside what was measured, then every section.
import { askedRows } from './asked.mjs';
import { fixed, table } from './markdown.mjs';
import { PRINTERS } from './sections.mjs';

/** @param images of sections by name, put behind their tables */
export function report({ when, command, machine, versions, seconds, sections }, images = {}) {
  const { cpu, cores, memoryGb, system, loadBefore, loadAfter } = machine;
  const minutes = Object.values(seconds).reduce((sum, value) => sum + value, 0) / 60;
  const all = { ...versions, ...(sections.browser?.chromium ? { chromium: sections.browser.chromium } : {}), ...(sections.batch?.best ? { 'node for the best build': sections.batch.best.node } : {}) };
  const lines = [
    `${when} UTC, \`${command}\`, ${fixed(minutes, 0)} minutes`, '',
    `${cpu}, ${cores} cores, ${memoryGb} GB, ${system}; load before ${fixed(loadBefore, 1)} and after ${fixed(loadAfter, 1)} (1 is one thread of this run alone).`,
    `${Object.entries(all).map(([name, version]) => `${name} ${version}`).join(', ')}.`,
    '', '### What was asked for, and what this run measured', '',
    ...table(['', 'asked', 'measured', 'reached'], askedRows(sections)),
  ];
  for (const [name, result] of Object.entries(sections)) {
    lines.push('', ...(result.failed ? [`### ${name}`, '', `Not measured: ${result.failed}`] : PRINTERS[name](result)));
    if (images[name]) lines.push('', images[name]);
  }
  return lines;
}
