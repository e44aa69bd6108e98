import { pull as pullFiles } from '../../store/hub.js';
import type { Command } from '../command.js';
import { escapeName } from '../escape.js';
import { interruptible, INTERRUPTED } from '../interrupt.js';
import { print, printJson, warn } from '../output.js';
import { Progress } from '../progress.js';

/** From Hugging Face, or anywhere, into the cache. */
export const pull: Command = {
  name: 'pull',
  summary: 'Bring a model or an adapter from Hugging Face, or from a URL, into the cache: resumed where it was broken off, checked by SHA-256.',
  usage: 'ID|URL [--file NAME] [--revision REV] [--sha256 HEX] [--json]',
  positionals: ['ID|URL'],
  options: {
    file: { value: 'NAME', help: 'One file of a repository: its path there, or a part of the name of just one GGUF (Q4_K_M).' },
    revision: { value: 'REV', help: 'A branch, tag or commit (default main); also as ID@REV.' },
    sha256: { value: 'HEX', help: "What the file's SHA-256 has to be. The hub tells its own; for a URL it is the only check." },
    cache: { value: 'DIR', help: 'The cache (default: LORIKEET_CACHE, else the place that this system has for caches).' },
    json: { help: 'Print one JSON object and nothing else: {path, kind, commit, bytes, files, …}.' },
  },
  notes: [
    'ID is owner/repo, owner/repo@revision or owner/repo/file.gguf. Of a repository come config.json, tokenizer, chat template and safetensors, or an adapter, or its only GGUF file; never a pickle.',
    'The path is printed; afterwards MODEL and --adapter take the same ID or URL (hf:ID where a folder of that name is there, too). HF_TOKEN is sent to the hub, and to no other host; HF_ENDPOINT names a mirror.',
    'What a broken connection, Ctrl-C or a full disk leaves is kept: pull again to go on. Two pulls of one file wait for each other.',
  ],
  examples: [
    'lorikeet pull HuggingFaceTB/SmolLM2-135M-Instruct',
    'lorikeet pull bartowski/SmolLM2-135M-Instruct-GGUF --file Q4_K_M',
    'lorikeet chat "$(lorikeet pull HuggingFaceTB/SmolLM2-135M-Instruct)"',
    'lorikeet pull https://example.com/models/tiny.gguf --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  ],

  async run(given) {
    const progress = new Progress();
    return interruptible(async (signal) => {
      let current = '';
      let tell: (done: number, total: number | null) => void = () => {};
      try {
        const pulled = await pullFiles(given.positionals[0]!, {
          file: given.value('file'), revision: given.value('revision'), sha256: given.value('sha256'), cache: given.value('cache'), signal,
          onWait: (file) => { progress.clear(); warn(`${escapeName(file)} is being pulled by another process; waiting for it.`); },
          onProgress: (file, done, total) => {
            if (file !== current) tell = progress.bytes(escapeName(file, 40));
            current = file;
            tell(done, total);
          },
        });
        progress.clear();
        if (given.flag('json')) await printJson(pulled);
        else {
          const unverified = pulled.files.filter(({ verified, downloaded }) => !verified && downloaded > 0);
          if (unverified.length > 0) warn(`${unverified.length === 1 ? escapeName(unverified[0]!.name) : `${unverified.length} files`} had no digest to be checked by${unverified.length === 1 ? `; its SHA-256 is ${unverified[0]!.sha256}` : ''}.`);
          await print(`${pulled.path}\n`);
        }
      } finally {
        progress.clear();
      }
    }, () => {
      warn('interrupted; what has come is kept: pull again to go on.');
      return INTERRUPTED;
    });
  },
};
