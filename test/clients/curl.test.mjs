/*
 * curl, as a person types it.  The walk-throughs of README.md and docs/tus.md
 * (the fenced block behind `<!-- test:curl -->`) are run line by line; while
 * the README has none, the one below stands for it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { sha256File, status } from '../http/client.mjs';
import { onServer } from '../http/server.mjs';

const TOP = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');

const OWN = `
head -c 3000000 /dev/urandom > video.mp4
size=$(stat -c %s video.mp4)
split -b 1000000 -d video.mp4 chunk.
curl -sf -F file=@chunk.00 -H "Content-Range: bytes 0-999999/$size" BASE/up | tee answer
id=$(sed 's/.*"upload_id": "\\([0-9a-f]*\\)".*/\\1/' answer)
curl -sf BASE/up/$id
start=1000000
for c in chunk.01 chunk.02; do
  n=$(stat -c %s $c)
  curl -sf -F upload_id=$id -F file=@$c \\
    -H "Content-Range: bytes $start-$((start + n - 1))/$size" BASE/up
  start=$((start + n))
done
curl -sf -d upload_id=$id -d md5=$(md5sum < video.mp4 | cut -d' ' -f1) BASE/up/complete
curl -sf BASE/up/$id | grep complete
`;

function blockOf(name)
{
    const file = path.join(TOP, name);
    if (!fs.existsSync(file)) {
        return null;
    }
    const text = fs.readFileSync(file, 'utf8');
    const m = /<!-- test:curl -->\s*```\w*\n([\s\S]*?)\n```/.exec(text);
    return m ? m[1] : null;
}

/* Run a script in a directory of its own; any failing command fails it. */
function bash(s, script)
{
    const dir = fs.mkdtempSync(path.join(s.root, 'curl-'));
    const run = spawnSync('bash', ['-euo', 'pipefail', '-c',
        script.replaceAll('BASE', s.base)],
        { cwd: dir, encoding: 'utf8', timeout: 120000 });
    return { ...run, dir, text: `${run.stdout}${run.stderr}` };
}

/* What is stored is, byte for byte, this file of the script's directory. */
async function assertArrived(s, run, file)
{
    assert.equal(run.status, 0, run.text);
    const wanted = await sha256File(path.join(run.dir, file));
    const stored = await Promise.all(s.partFiles().map(sha256File));
    assert.ok(stored.includes(wanted), `${file} did not arrive:\n${run.text}`);
}

onServer('curl', {}, (at) => {
    test('the walk-through of the README, every line', async () => {
        const script = (blockOf('README.md') ?? OWN).replace(/^\$ /gm, '');
        const run = bash(at.s, script);
        const largest = fs.readdirSync(run.dir)
            .map((name) => [fs.statSync(path.join(run.dir, name)).size, name])
            .sort(([a], [b]) => b - a)[0];
        assert.ok(largest, `the walk-through makes a file:\n${run.text}`);
        await assertArrived(at.s, run, largest[1]);
        for (const file of at.s.partFiles()) {
            const id = path.basename(file, '.part');
            const answer = await status(at.s, id);
            assert.equal(answer.json.status, 'complete', run.text);
        }
    });

    test('the walk-through of docs/tus.md, every line', async () => {
        const run = bash(at.s, blockOf('docs/tus.md'));
        await assertArrived(at.s, run, 'video.mp4');
        assert.match(run.stdout, /Upload-Offset: 3000000/);
    });

    test('one command, one file', async () => {
        const run = bash(at.s, `
            printf 'hello' > hello.txt
            curl -sf -F file=@hello.txt BASE/up`);
        await assertArrived(at.s, run, 'hello.txt');
        assert.match(run.stdout, /"offset": 5,/);
    });

    test('a large file makes curl ask first (Expect: 100-continue)',
         async () => {
        const run = bash(at.s, `
            head -c 5000000 /dev/urandom > big
            curl -sSf -F file=@big -H 'Expect: 100-continue' BASE/up`);
        await assertArrived(at.s, run, 'big');
    });

    test('an interrupted transfer goes on from the offset that is told',
         async () => {
        const run = bash(at.s, `
            head -c 4000000 /dev/urandom > f
            head -c 1000000 f > first
            curl -sf -F file=@first -H 'Content-Range: bytes 0-999999/4000000' BASE/up > a
            id=$(sed 's/.*"upload_id": "\\([0-9a-f]*\\)".*/\\1/' a)
            tail -c +1000001 f > rest
            ! curl -s --limit-rate 500k --max-time 1 -F upload_id=$id \\
                -F file=@rest -H 'Content-Range: bytes 1000000-3999999/4000000' BASE/up
            at=$(curl -sf BASE/up/$id | sed 's/.*"offset": \\([0-9]*\\).*/\\1/')
            tail -c +$((at + 1)) f > rest
            curl -sf -F upload_id=$id -F file=@rest \\
                -H "Content-Range: bytes $at-3999999/4000000" BASE/up
            curl -sf -d upload_id=$id -d md5=$(md5sum < f | cut -d' ' -f1) BASE/done`);
        await assertArrived(at.s, run, 'f');
        assert.ok(run.stdout.endsWith('{}'), run.text);
    });

    test('a refusal makes curl -f fail with 22 and says why without it',
         () => {
        const id = '0'.repeat(32);
        const run = bash(at.s, `
            printf x > x
            curl -s -F upload_id=${id} -F file=@x BASE/up
            curl -sf -F upload_id=${id} -F file=@x BASE/up || echo " $?"`);
        assert.equal(run.stdout, '{"detail": "Not found"} 22\n');
    });

    test('HTTP/1.0', async () => {
        const run = bash(at.s, `
            printf 'old' > old
            curl -sf --http1.0 -F file=@old BASE/up`);
        await assertArrived(at.s, run, 'old');
    });
});
