// Stands in for a thread's module that can't be loaded.
throw new Error('no thread here');
