# The rotation's stack by Terraform or OpenTofu, from what `make package BUCKET=…` has
# made and you have put into the bucket: see docs/many.md. The template is over the 51,200
# bytes that CloudFormation takes in a call, so it comes from S3, as the code does.
#
# Neither is a resource here. An upgrade would delete the release before, which the stack
# needs to go back, and which other stacks may run.
#
# Put in what is yours: the region, the secret's name, the names and the parameters of the
# stack, the tags.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

provider "aws" {
  region = "eu-west-1"
}

variable "bucket" {
  description = "The bucket that make package was given as BUCKET, in the region of the stack."
  type        = string
}

variable "template_key" {
  description = "The template's key in it, as make package prints it. A release has another one."
  type        = string
}

variable "secret_name" {
  type    = string
  default = "mautic-prod-secrets"
}

data "aws_s3_bucket" "package" {
  bucket = var.bucket
}

data "aws_secretsmanager_secret" "mautic" {
  name = var.secret_name
}

resource "aws_cloudformation_stack" "rotation" {
  name         = "mautic-secret-rotation-prod"
  template_url = "https://${data.aws_s3_bucket.package.bucket_regional_domain_name}/${var.template_key}"
  capabilities = ["CAPABILITY_IAM"]
  tags         = { application = "mautic", environment = "prod" }

  parameters = {
    FunctionName     = "mautic-rotation-prod"
    SecretArn        = data.aws_secretsmanager_secret.mautic.arn
    EcsCluster       = "mautic-prod-cluster"
    EcsService       = "mautic-prod-service"
    MauticUrl        = "https://mautic.example.com"
    SubnetIds        = "subnet-0123456789abcdef0,subnet-0123456789abcdef1"
    SecurityGroupIds = "sg-0123456789abcdef0"
    AlarmEmail       = "ops@example.com"
  }
}

output "function" {
  value = aws_cloudformation_stack.rotation.outputs["FunctionName"]
}
