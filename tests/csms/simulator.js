// A car at a station of em-ocpp-chargepoint-simulator: it draws what the station's charging profile allows.
const url = process.env.CSMS_URL;
const cp = await connect(url);
const car = { limit: () => 32, transaction: null, wh: 10000 };

cp.registeredCallbacks.set("SetChargingProfile", {
  cb: async (request) => {
    const schedule = request.payload.csChargingProfiles.chargingSchedule;
    const begins = Date.parse(schedule.startSchedule);
    car.limit = () => {
      const seconds = (Date.now() - begins) / 1000;
      const past = schedule.chargingSchedulePeriod.filter((period) => period.startPeriod <= seconds);
      return past[past.length - 1].limit;
    };
    cp.sendResponse(request.uniqueId, { status: "Accepted" });
  },
});
cp.answerChangeConfiguration(async (request) => cp.sendResponse(request.uniqueId, { status: "Accepted" }));

const status = (word) => cp.sendStatusNotification({ connectorId: 1, errorCode: "NoError", status: word });

cp.answerTriggerMessage("StatusNotification", async (request) => {
  cp.sendResponse(request.uniqueId, { status: "Accepted" });
});
cp.answerRemoteStartTransaction(async (request) => {
  cp.sendResponse(request.uniqueId, { status: "Accepted" });
  await status("Preparing");
  car.transaction = await cp.startTransaction({
    connectorId: 1,
    idTag: request.payload.idTag,
    meterStart: car.wh,
    timestamp: new Date().toISOString(),
  });
  await status("Charging");
});
cp.answerRemoteStopTransaction(async (request) => {
  cp.sendResponse(request.uniqueId, { status: "Accepted" });
  const { transactionId } = car.transaction;
  car.transaction = null;
  await cp.stopTransaction({ transactionId, meterStop: car.wh, timestamp: new Date().toISOString(), reason: "Remote" });
  await status("Finishing");
  await status("Available");
});

await cp.sendBootnotification({ chargePointVendor: "em", chargePointModel: "simulator" });
await status("Available");
while (true) {
  await cp.sleep(200);
  if (car.transaction === null) continue;
  const current = Math.min(32, car.limit());
  car.wh += Math.round(current * 230 * 3 / 3600);
  await cp.meterValues({
    connectorId: 1,
    transactionId: car.transaction.transactionId,
    meterValue: [
      {
        timestamp: new Date().toISOString(),
        sampledValue: [
          { value: String(car.wh) },
          ...["L1", "L2", "L3"].map((phase) => ({ value: String(current), measurand: "Current.Import", phase, unit: "A" })),
        ],
      },
    ],
  });
}
