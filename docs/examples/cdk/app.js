// Creates the rotation stack with the CDK, from the output of `make package BUCKET=unused`.
// The bucket's name is not used: the CDK stores the code in its own bucket, as an asset.
// Fill in your values: the stack's name, its parameters, the account and region, the tags.
const path = require('node:path');
const { App, Stack } = require('aws-cdk-lib');
const { Asset } = require('aws-cdk-lib/aws-s3-assets');
const { CfnInclude } = require('aws-cdk-lib/cloudformation-include');

const made = process.env.PACKAGE || path.join(__dirname, '../../../build/package');

class Rotation extends Stack {
  constructor(scope, id, parameters, props) {
    super(scope, id, props);
    const included = new CfnInclude(this, 'Template', {
      templateFile: path.join(made, 'template.yaml'),
      // The CDK substitutes these into the template; the others remain parameters.
      parameters,
    });
    const code = new Asset(this, 'Code', { path: path.join(made, 'function.zip') });
    included.getResource('RotationFunction').code = { s3Bucket: code.s3BucketName, s3Key: code.s3ObjectKey };
  }
}

const app = new App();
new Rotation(app, 'mautic-secret-rotation-prod', {
  FunctionName: 'mautic-rotation-prod',
  SecretArn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-AbCdEf',
  EcsCluster: 'mautic-prod-cluster',
  EcsService: 'mautic-prod-service',
  MauticUrl: 'https://mautic.example.com',
  SubnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  SecurityGroupIds: 'sg-0123456789abcdef0',
  AlarmEmail: 'ops@example.com',
}, {
  env: { account: '123456789012', region: 'eu-west-1' },
  tags: { application: 'mautic', environment: 'prod' },
});
app.synth();
