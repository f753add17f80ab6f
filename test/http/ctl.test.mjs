/*
 * chunked-upload-ctl over a store that a real server made, beside that
 * server: every command, its exit codes, its words.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { NOT_FOUND, assertRefused, chunk, finish, md5, pattern, status,
         uploadAll } from './client.mjs';
import { CTL, onServer, sleep } from './server.mjs';
import { dropDigest } from './statefile.mjs';

const PASSWORDS = ['alice', 'bob']
    .map((u) => `${u}:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n`).join('');

const CONF = `
<Location "/private">
    SetHandler chunked-upload
    AuthType Basic
    AuthName x
    AuthUserFile "@ROOT@/htdocs/passwords"
    Require valid-user
</Location>
<Location "/short">
    SetHandler chunked-upload
    ChunkedUploadExpire 1s
</Location>
<Location "/plain">
    SetHandler chunked-upload
    ChunkedUploadDigest None
</Location>
ChunkedUploadReapInterval None
`;

const NOBODY = '0'.repeat(32);
const data = Buffer.from('0123456789');

const begin = async (s, o = {}) => (await chunk(s, {
    start: 0, total: 10, data: 'abc', ...o })).json.upload_id;

async function finished(s, o = {})
{
    const id = await uploadAll(s, data, 5, o);
    await finish(s, id, data, { path: '/done', ...o.finish });
    return id;
}

/* Runs, expects the exit code, gives the output. */
function ctl(s, args, code = 0, input = '')
{
    const run = spawnSync(CTL, ['-d', s.stateDir, '-t', s.dbm, ...args],
                          { encoding: 'utf8', input });
    assert.equal(run.status, code, `${args}: ${run.stdout}${run.stderr}`);
    return run;
}

const lines = (text) => text.split('\n').filter(Boolean);
const listed = (s, ...args) => lines(ctl(s, ['list', '--json', ...args])
    .stdout).map((line) => JSON.parse(line));
const ids = (s, ...args) => listed(s, ...args).map((one) => one.upload_id)
    .sort();

async function cleanUp(s)
{
    await sleep(1050);
    ctl(s, ['expire', '--all', '--older', '1s']);
}

for (const dbm of ['db', 'sdbm']) {
    onServer(`chunked-upload-ctl: ${dbm}`, { dbm, conf: CONF,
        files: { passwords: PASSWORDS } }, (at) => {
        test('list and show', async () => {
            const open = await begin(at.s, { filename: 'holiday.mp4' });
            const alice = await begin(at.s, { path: '/private',
                                              auth: 'alice' });
            const done = await finished(at.s);
            assert.deepEqual(ids(at.s), [open, alice, done].sort());
            assert.deepEqual(ids(at.s, '--owner', 'alice'), [alice]);
            assert.deepEqual(ids(at.s, '--owner='), [open, done].sort());
            assert.deepEqual(ids(at.s, '--status', 'complete'), [done]);
            assert.deepEqual(ids(at.s, '--scope', 'elsewhere'), []);
            assert.equal(ids(at.s, '--scope', 'localhost').length, 3);
            assert.deepEqual(ids(at.s, '--older', '1h'), []);
            const table = lines(ctl(at.s, ['list']).stdout);
            assert.equal(table.length, 4);
            assert.match(table[0], /^ID +STATUS +RECEIVED +OF +AGE/);
            assert.match(table.find((line) => line.startsWith(open)),
                         /uploading +3 B +10 B +30% .* holiday\.mp4$/);
            const one = JSON.parse(ctl(at.s, ['show', done, '--json']).stdout);
            assert.equal(one.digest, md5(data));
            assert.equal(one.status, 'complete');
            assert.equal(one.path, at.s.partFile(done));
            assert.equal(one.chunks, 2);
            assert.match(ctl(at.s, ['show', open]).stdout,
                         /^name +holiday\.mp4$/m);
            assert.match(ctl(at.s, ['show', NOBODY], 1).stderr,
                         /no such upload/);
            ctl(at.s, ['show', 'nonsense'], 1);
        });

        test('verify', async () => {
            const bad = await finished(at.s);
            const short = await begin(at.s);
            const none = await begin(at.s, { path: '/plain' });
            assert.match(ctl(at.s, ['verify', bad]).stdout,
                         new RegExp(`^${bad}  ok\n1 verified, 0 bad`));
            fs.writeFileSync(at.s.partFile(bad), '012345678X');
            assert.match(ctl(at.s, ['verify', bad], 1).stdout,
                         /THE BYTES ARE NOT THOSE THAT CAME/);
            fs.writeFileSync(at.s.partFile(bad), data);
            const whole = fs.readFileSync(at.s.partFile(short));
            fs.writeFileSync(at.s.partFile(short), 'ab');
            assert.match(ctl(at.s, ['verify', short], 1).stdout,
                         /BYTES ARE MISSING/);
            fs.writeFileSync(at.s.partFile(short), whole);
            assert.match(ctl(at.s, ['verify', none]).stdout,
                         /no digest was kept/);
            const dropped = await begin(at.s);
            dropDigest(at.s.stateFile(dropped));
            assert.match(ctl(at.s, ['verify']).stdout,
                         /^\d+ verified, 0 bad, 2 without digest, 0 changed/m);
            ctl(at.s, ['verify', NOBODY], 1);
        });

        test('cancel', async () => {
            const open = await begin(at.s, { path: '/private',
                                             auth: 'alice' });
            const done = await finished(at.s);
            assert.equal(ctl(at.s, ['cancel', open]).stdout,
                         `${open} was removed.\n`);
            assertRefused(await status(at.s, open, { path: '/private',
                auth: 'alice' }), 404, NOT_FOUND);
            ctl(at.s, ['cancel', open], 1);
            assert.match(ctl(at.s, ['cancel', done], 1).stderr,
                         /it is complete/);
            assert.equal((await status(at.s, done)).status, 200);
            ctl(at.s, ['cancel', done, '--complete']);
            assertRefused(await status(at.s, done), 404, NOT_FOUND);
        });

        test('expire: what has expired, and no more', async () => {
            await cleanUp(at.s);
            const expired = await begin(at.s, { path: '/short' });
            const open = await begin(at.s);
            const done = await finished(at.s);
            await sleep(1100);
            assert.match(ctl(at.s, ['expire', '--dry-run']).stdout, new RegExp(
                `^${expired}  uploading .*\n`
                + '0 complete uploads would be deleted\\.\n'
                + '1 incomplete uploads would be deleted\\.\n$'));
            assert.equal(ctl(at.s, ['expire']).stdout,
                         '0 complete uploads were deleted.\n'
                         + '1 incomplete uploads were deleted.\n');
            assert.deepEqual(ids(at.s), [open, done].sort());
        });

        test('expire --all is the command of django-chunked-upload',
             async () => {
            await cleanUp(at.s);
            await begin(at.s);
            await finished(at.s);
            assert.equal(ctl(at.s, ['expire', '--all']).stdout,
                         '0 complete uploads were deleted.\n'
                         + '0 incomplete uploads were deleted.\n');
            await sleep(1100);
            assert.equal(ctl(at.s, ['expire', '--all', '--older', '1s'])
                .stdout, '1 complete uploads were deleted.\n'
                         + '1 incomplete uploads were deleted.\n');
            assert.deepEqual(ids(at.s), []);
            assert.deepEqual(at.s.partFiles(), []);
        });

        test('expire --interactive asks', async () => {
            await cleanUp(at.s);
            const open = await begin(at.s, { filename: 'a b.bin' });
            const question = 'Do you want to delete '
                + `<a b.bin - upload_id: ${open} - bytes: 3 - status: 1>? `
                + '(y/n): ';
            const args = ['expire', '--interactive', '--older', '1s'];
            await sleep(1100);
            assert.equal(ctl(at.s, args, 0, 'what\nn\n').stdout,
                         `${question}${question}`
                         + '0 complete uploads were deleted.\n'
                         + '0 incomplete uploads were deleted.\n');
            ctl(at.s, args, 0, ''); /* nobody there: no */
            assert.deepEqual(ids(at.s), [open]);
            assert.equal(ctl(at.s, args, 0, 'y\n').stdout, question
                         + '0 complete uploads were deleted.\n'
                         + '1 incomplete uploads were deleted.\n');
            assert.deepEqual(ids(at.s), []);
        });

        test('export and import', async () => {
            const open = await begin(at.s, { filename: 'schön.mp4' });
            const done = await finished(at.s);
            const before = ctl(at.s, ['export']).stdout;
            const records = lines(before).map((line) => JSON.parse(line));
            assert.deepEqual(records.map((one) => one.upload_id).sort(),
                             [open, done].sort());
            assert.equal(records.find((one) => one.upload_id === open).name,
                         'schön.mp4');
            assert.equal(ctl(at.s, ['import'], 0, before).stdout,
                         '2 records stored, 0 skipped\n');
            const run = ctl(at.s, ['import'], 1,
                `{}\n[]\nnonsense\n${JSON.stringify({ ...records[0],
                    upload_id: NOBODY })}\n${JSON.stringify({ ...records[0],
                    status: 77 })}\n`);
            assert.equal(run.stdout, '0 records stored, 5 skipped\n');
            assert.match(run.stderr, /line 4: no such upload/);
            assert.equal(ctl(at.s, ['export']).stdout.length, before.length);
        });

        test('fsck, and what it repairs', async () => {
            const open = await begin(at.s);
            ctl(at.s, ['fsck']);
            const stray = path.join(path.dirname(at.s.partFile(open)),
                                    `${NOBODY}.part`);
            fs.writeFileSync(stray, 'x');
            assert.match(ctl(at.s, ['fsck'], 1).stdout, /belongs to no upload/);
            assert.match(ctl(at.s, ['fsck', '--repair']).stdout,
                         /1 problems, 1 repaired/);
            assert.equal(fs.existsSync(stray), false);
        });

        test('list does not hold what a creation needs', async () => {
            /* a pager that does not read: the pipe is full, the tool waits */
            for (let i = 0; i < 600; i++) {
                await begin(at.s, { filename: `${'n'.repeat(200)}${i}` });
            }
            const pager = spawnSync('sh', ['-c',
                `"${CTL}" -d "${at.s.stateDir}" -t ${dbm} list --json | `
                + '{ sleep 3; head -c 1 >/dev/null; } & sleep 1']);
            assert.equal(pager.status, 0);
            const from = Date.now();
            await Promise.all(Array.from({ length: 40 }, () => begin(at.s)));
            assert.ok(Date.now() - from < 1900, 'creations waited');
            await sleep(2500);
            await cleanUp(at.s);
        });

        test('a damaged upload is reported, not removed', async () => {
            const id = await begin(at.s);
            const file = at.s.stateFile(id);
            const good = fs.readFileSync(file);
            fs.writeFileSync(file, Buffer.alloc(good.length));
            assert.match(ctl(at.s, ['list'], 1).stderr,
                         /1 uploads cannot be read/);
            assert.match(ctl(at.s, ['expire'], 1).stderr,
                         /1 uploads cannot be read/);
            assert.match(ctl(at.s, ['show', id], 1).stderr, /damaged/);
            ctl(at.s, ['cancel', id], 1);
            fs.writeFileSync(file, good);
        });

        test('wrong use and --help', () => {
            for (const args of [['nonsense'], [], ['list', '--nonsense'],
                ['list', 'x'], ['list', '--older'], ['list', '--older', 'x'],
                ['list', '--older', 'None'], ['list', '--json=1'], ['show'],
                ['show', 'a', 'b'], ['cancel'], ['verify', 'a', 'b'],
                ['-x'], ['fsck', '--mend']]) {
                assert.notEqual(ctl(at.s, args, 2).stderr, '', String(args));
            }
            const usage = ctl(at.s, ['--help']).stdout;
            for (const name of ['list', 'show', 'expire', 'cancel', 'verify',
                'fsck', 'export', 'import']) {
                assert.match(usage, new RegExp(`^  ${name} `, 'm'));
                assert.match(ctl(at.s, [name, '--help']).stdout,
                             new RegExp(`^usage: chunked-upload-ctl ${name}`));
            }
            const gone = spawnSync(CTL, ['-d', `${at.s.root}/none`, 'list']);
            assert.equal(gone.status, 3);
        });
    });
}
