/*
 * A large file through curl, chunk by chunk, with a child killed twice in the
 * middle of a chunk.  CU_BIG=1 sends 5 GiB where 128 MiB do otherwise; the
 * memory of the children is printed on the way.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { sha256File } from '../http/client.mjs';
import { onServer, sleep, until } from '../http/server.mjs';

const MIB = 1024 * 1024;
const TOTAL = (process.env.CU_BIG ? 5120 : 128) * MIB;
const STEP = 8 * MIB;

/* curl's exit code and output; onStart runs while it sends. */
async function curl(args, onStart = async () => {})
{
    const child = spawn('curl', ['-s', ...args]);
    let text = '';
    child.stdout.on('data', (d) => { text += d; });
    const done = new Promise((go) => child.on('close', go));
    await onStart();
    return { code: await done, text };
}

async function offsetOf(s, id)
{
    const { code, text } = await curl(['-f', `${s.base}/up/${id}`]);
    return code === 0 ? JSON.parse(text).offset : null;
}

onServer('a large file through curl', {}, (at) => {
    test(`${TOTAL / MIB} MiB in 8 MiB chunks, a child killed twice`,
         async (t) => {
        const { s } = at;
        const file = path.join(s.root, 'piece');
        const md5 = createHash('md5');
        const sha = createHash('sha256');
        const kills = [TOTAL / STEP >> 2, TOTAL / STEP >> 1];
        const most = () => Math.max(...s.rssOfChildren().map((c) => c.rss));
        const rss = [most()];
        let id;
        let offset = 0;

        for (let n = 0; offset < TOTAL; n++) {
            const data = randomBytes(STEP);
            md5.update(data);
            sha.update(data);
            fs.writeFileSync(file, data);
            const args = ['-F', `file=@${file};filename=big.bin`,
                '-H', `Content-Range: bytes ${offset}-${
                    offset + STEP - 1}/${TOTAL}`,
                ...(id ? ['-F', `upload_id=${id}`] : []), `${s.base}/up`];
            if (kills.includes(n)) {
                const cut = await curl(['--limit-rate', '8M', ...args],
                    async () => {
                        await sleep(300);
                        for (const pid of s.children()) {
                            await s.killChild(pid);
                        }
                    });
                assert.notEqual(cut.code, 0);
                assert.equal(await until('the offset', () => offsetOf(s, id)),
                             offset);
                t.diagnostic(`killed in chunk ${n}: curl ${cut.code}, offset ${
                    offset} holds`);
            }
            const { code, text } = await curl(['-f', ...args]);
            assert.equal(code, 0, text);
            const answer = JSON.parse(text);
            id ??= answer.upload_id;
            offset += STEP;
            assert.equal(answer.offset, offset);
            if (offset % (TOTAL / 4) === 0) {
                rss.push(most());
            }
        }
        const { code, text } = await curl(['-f', '-d', `upload_id=${id}`,
            '-d', `md5=${md5.digest('hex')}`, `${s.base}/up/complete`]);
        assert.equal(code, 0);
        assert.equal(text, '{}');
        assert.equal(await sha256File(s.partFile(id)), sha.digest('hex'));
        t.diagnostic(`largest child, KiB, at 0, 1/4 .. 4/4: ${rss.join(' ')}`);
        assert.ok(Math.max(...rss) - rss[0] < 8192, 'a child grew');
    });
});
