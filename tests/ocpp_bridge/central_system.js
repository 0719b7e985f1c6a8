// A central system on the package ocpp-rpc, in strict mode: it checks every message against OCPP's schemas.
// Each line of its input is a call to make, [number, identity, action, payload]; each line of its output is its port,
// an answer [number, payload], a refusal [number, code, text], or what was heard [identity, action, payload].
const { RPCServer, createRPCError } = require('ocpp-rpc');
const readline = require('readline');

const say = (message) => process.stdout.write(JSON.stringify(message) + '\n');
const stations = new Map();
let transactions = 0;

const answers = {
    BootNotification: () => ({ status: 'Accepted', interval: 300, currentTime: new Date().toISOString() }),
    Heartbeat: () => ({ currentTime: new Date().toISOString() }),
    StatusNotification: () => ({}),
    Authorize: ({ idTag }) => ({ idTagInfo: { status: idTag === 'BLOCKED' ? 'Blocked' : 'Accepted' } }),
    StartTransaction: () => ({ transactionId: ++transactions, idTagInfo: { status: 'Accepted' } }),
    MeterValues: () => ({}),
    StopTransaction: () => ({}),
};

const server = new RPCServer({ protocols: ['ocpp1.6'], strictMode: true });
server.auth((accept) => accept());
server.on('client', (client) => {
    stations.set(client.identity, client);
    client.on('strictValidationFailure', (event) => say(['invalid', String(event.error)]));
    client.on('badMessage', (event) => say(['invalid', String(event.error)]));
    client.handle(({ method, params }) => {
        say([client.identity, method, params]);
        if (!answers[method]) {
            throw createRPCError('NotImplemented');
        }
        return answers[method](params);
    });
});
readline.createInterface({ input: process.stdin }).on('line', async (line) => {
    const [number, identity, action, payload] = JSON.parse(line);
    try {
        say([number, await stations.get(identity).call(action, payload)]);
    } catch (error) {
        say([number, error.rpcErrorCode || 'failed', String(error)]);
    }
});
server.listen(0, '127.0.0.1').then((http) => say(http.address().port));
