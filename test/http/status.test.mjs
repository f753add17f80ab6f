/*
 * The status page: what it shows to whom, in three forms; mod_status's
 * section; counters that survive a graceful restart; the log line of an ended
 * upload.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chunk, complete, finish, md5, request, uploadAll } from './client.mjs';
import { onServer } from './server.mjs';

const CONF = `
<Location "/status">
    SetHandler chunked-upload-status
    ChunkedUploadStatusScope all
</Location>
<Location "/mine">
    SetHandler chunked-upload-status
    ChunkedUploadStatusScope own
</Location>
<Location "/server-status">
    SetHandler server-status
</Location>
ChunkedUploadReapInterval 1s
<VirtualHost *>
    ServerName localhost
</VirtualHost>
<VirtualHost *>
    ServerName other.example
</VirtualHost>
`;

const OTHER = { Host: 'other.example' };
const BAD_NAME = '<img src=x onerror=alert(1)>&".bin';

const get = (s, path, headers = {}) => request(s, { path, headers });
const json = async (s, path = '/status?json', headers = {}) =>
    JSON.parse((await get(s, path, headers)).text);

/* OpenMetrics 1.0, as strictly as these families need it. */
function parseMetrics(text)
{
    const families = new Map();
    const samples = new Map();
    assert.ok(text.endsWith('# EOF\n'), 'ends with # EOF');
    for (const line of text.slice(0, -6).split('\n').slice(0, -1)) {
        const meta = /^# (TYPE|HELP) ([a-z_]+) (.+)$/.exec(line);
        if (meta) {
            const [, kind, name, value] = meta;
            assert.ok(kind === 'HELP' || !families.has(name), `twice ${name}`);
            families.set(name, { ...families.get(name), [kind]: value });
            continue;
        }
        const sample = /^([a-z_]+)(\{[a-z]+="[a-z_]+"\})? (-?\d+)$/.exec(line);
        assert.ok(sample, `no sample: ${line}`);
        const [, name, labels = '', value] = sample;
        const family = name.replace(/_total$/, '');
        assert.ok(families.has(family), `no family of ${name}`);
        assert.equal(families.get(family).TYPE,
                     name.endsWith('_total') ? 'counter' : 'gauge');
        assert.ok(!samples.has(name + labels), `twice ${name}${labels}`);
        samples.set(name + labels, Number(value));
    }
    return samples;
}

onServer('status page', { modules: ['status'], conf: CONF, files: {
    'open/.htaccess': 'SetHandler chunked-upload-status\n'
} }, (at) => {
    test('uploads are counted, in all three forms', async () => {
        const data = Buffer.from('0123456789');
        const id = await uploadAll(at.s, data, 4);
        await finish(at.s, id, data);
        await complete(at.s, { id, md5: md5(data) }); /* again: no news */
        const open = (await chunk(at.s, { start: 0, total: 10, data: 'abc',
            filename: 'holiday.mp4' })).json.upload_id;
        await chunk(at.s, { id: open, start: 7, total: 10, data: 'xyz' });

        const all = await json(at.s);
        assert.equal(all.started, 2);
        assert.equal(all.chunks, 4);
        assert.equal(all.received_bytes, 13);
        assert.equal(all.completed, 1);
        assert.equal(all.active, 2);
        assert.equal(all.running.length, 1);
        assert.equal(all.running[0].upload_id, open);
        assert.equal(all.running[0].offset, 3);
        assert.equal(all.running[0].length, 10);
        assert.equal(all.running[0].error, 'OFFSET_MISMATCH');
        assert.ok(all.disk_free_bytes > 0);

        const metrics = await get(at.s, '/status?metrics');
        assert.match(metrics.headers['content-type'],
                     /^application\/openmetrics-text; version=1\.0\.0/);
        const samples = parseMetrics(metrics.text);
        assert.equal(samples.get('chunked_upload_started_total'), 2);
        assert.equal(samples.get('chunked_upload_received_bytes_total'), 13);
        assert.equal(samples.get(
            'chunked_upload_refused_total{reason="offset_mismatch"}'), 1);

        const page = await get(at.s, '/status');
        assert.match(page.headers['content-type'], /^text\/html/);
        assert.match(page.headers['content-security-policy'],
                     /default-src 'none'/);
        assert.match(page.text, /Running: 1/);
        assert.match(page.text, new RegExp(open));
        assert.match(page.text, /<progress max="100" value="30\.0">/);

        assert.match((await get(at.s, '/server-status?auto')).text,
                     /^ChunkedUpload-started: 2$/m);
        assert.match((await get(at.s, '/server-status')).text,
                     /<h2>Chunked uploads<\/h2>/);
        const lines = at.s.logSince().split('\n')
            .filter((line) => line.includes('CU0201'));
        assert.equal(lines.length, 1);
        assert.match(lines[0], new RegExp(`upload ${id}: complete: owner -, `
            + `name .*, 10 bytes, [0-9.]+ s, 3 chunks, digest ${md5(data)}`));
    });

    test('names are escaped', async () => {
        await chunk(at.s, { start: 0, total: 10, data: 'abc',
                            filename: BAD_NAME.replaceAll('"', '%22') });
        const page = await get(at.s, '/status');
        assert.doesNotMatch(page.text, /<img/);
        assert.match(page.text, /&lt;img src=x onerror=alert\(1\)&gt;&amp;/);
    });

    test('other hosts are hidden unless the administrator says all',
         async () => {
        const id = (await chunk(at.s, { start: 0, total: 10, data: 'abc',
            headers: OTHER })).json.upload_id;
        const ids = async (path, headers) => (await json(at.s, path, headers))
            .running.map((one) => one.upload_id);
        assert.ok((await ids('/status?json')).includes(id));
        assert.ok(!(await ids('/mine?json')).includes(id));
        assert.deepEqual(await ids('/mine?json', OTHER), [id]);
        assert.deepEqual(Object.keys(await json(at.s, '/mine?json')),
                         ['running']);
        assert.equal((await get(at.s, '/mine?metrics')).status, 403);
        assert.doesNotMatch((await get(at.s, '/mine')).text, /free on disk/);
    });

    test('the counters survive a graceful restart', async () => {
        const before = await json(at.s);
        await at.s.graceful();
        const after = await json(at.s);
        assert.ok(before.started > 0);
        assert.equal(after.started, before.started);
        assert.equal(after.since, before.since);
        assert.equal(after.running.length, before.running.length);
        await at.s.restart();
        assert.equal((await json(at.s)).started, before.started);
    });

    test('an .htaccess cannot open it', async () => {
        for (const path of ['/open/', '/open/?json', '/open/?metrics',
            '/open/?js']) {
            assert.equal((await get(at.s, path)).status, 403, path);
        }
        assert.match(at.s.logSince(), /CU0220: status page: closed here/);
    });

    test('only GET', async () => {
        const answer = await request(at.s, { method: 'POST', path: '/status',
                                             body: Buffer.from('x') });
        assert.equal(answer.status, 405);
    });
});
