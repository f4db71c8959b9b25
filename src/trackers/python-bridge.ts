/**
 * The Python program behind "wandb" and "trackio". It reads one JSON object per line from stdin, calls the package that
 * its argument names, and answers each with a line on file descriptor 3. It exits when stdin ends, so that a
 * run that was killed leaves no process behind. Both packages have the same functions.
 */
export const PYTHON_BRIDGE = String.raw`
import json, os, sys
sys.path[:] = [entry for entry in sys.path if entry != ""]  # the working folder may hold a folder named wandb
package, answers = sys.argv[1], os.fdopen(3, "w")

def answer(**value):
    answers.write(json.dumps(value) + "\n")
    answers.flush()

client, run = None, None

def begin(run_id, name, project, config, folder, resumedFrom, **_):
    global client, run
    client = __import__(package)
    if run is not None:
        return None
    if package == "wandb":
        run = client.init(project=project, id=run_id, name=name, config=config, dir=folder, resume="allow",
                          settings=client.Settings(console="off"))
        run.define_metric("train/global_step")
        run.define_metric("*", step_metric="train/global_step")
        return getattr(run, "url", None)
    run = client.init(project=project, name=run_id if name is None else name, config=config, resume="allow")
    return None

def log(entries):
    for entry in entries:
        values = dict(entry["metrics"], **{"train/global_step": entry["step"]})
        if package == "wandb":
            run.log(values)
        else:
            client.log(values, step=entry["step"])

def table(name, step, columns, rows, **_):
    if package == "wandb":
        texts = [["" if cell is None else cell if isinstance(cell, str) else str(cell) for cell in row] for row in rows]
        run.log({name: client.Table(columns=columns, data=texts), "train/global_step": step})
    else:
        client.log({name: client.Table(columns=columns, data=rows)}, step=step)

def finish(end):
    global run
    if package == "wandb":
        run.finish(exit_code=0 if end == "finished" else 1)
    else:
        client.finish()
    run = None

calls = {"begin": begin, "log": log, "table": table, "finish": finish}
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer(ok=True, value=calls[request["call"]](**request["with"]))
    except BaseException as error:
        answer(ok=False, error=f"{type(error).__name__}: {error}")
if run is not None and package == "wandb":
    run.finish(exit_code=1)
`;
