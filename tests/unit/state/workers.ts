/** Gives each message to a worker of its own, all at once. @returns their answers, in the messages' order */
export async function askWorkers<Answer>(module: string, messages: readonly unknown[]): Promise<Answer[]> {
  const workers = messages.map(() => new Worker(module, { type: "module" }));
  try {
    return await Promise.all(workers.map((worker, index) =>
      new Promise<Answer>((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(event.message));
        };
        worker.postMessage(messages[index]);
      })
    ));
  } finally {
    for (const worker of workers) worker.terminate();
  }
}
